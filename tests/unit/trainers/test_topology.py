"""Where a training runs: flags, the words people know, and Slurm."""

from __future__ import annotations

import re

import pytest

from vlmbench.errors import UsageError
from vlmbench.trainers.topology import Topology, check_addresses, first_host, read_topology, slurm_process
from vlmbench.trainers.training.launch import adopt, launched

SLURM = {
    "SLURM_JOB_ID": "123456",
    "SLURM_JOB_NUM_NODES": "2",
    "SLURM_NODEID": "1",
    "SLURM_GPUS_ON_NODE": "4",
    "SLURM_JOB_NODELIST": "gpu[03-05,09]",
}


def test_nothing_said_is_the_recipes_own_number_of_devices() -> None:
    assert read_topology({}, processes=8) == Topology(nproc=8)


def test_the_words_people_know() -> None:
    said = {"NPROC_PER_NODE": "4", "NNODES": "2", "NODE_RANK": "1", "ADDR": "10.0.0.1", "PORT": "29500"}
    here = read_topology(said, processes=8)
    assert here == Topology(nproc=4, nnodes=2, node_rank=1, addr="10.0.0.1", port=29500)
    assert here.size == 8


def test_slurm_is_asked_where_nothing_else_is_said() -> None:
    found = read_topology(SLURM, processes=8)
    assert found == Topology(nproc=4, nnodes=2, node_rank=1, addr="gpu03", port=23456)


def test_flags_win_over_the_environment_and_that_over_slurm() -> None:
    said = SLURM | {"NPROC_PER_NODE": "2", "ADDR": "head"}
    here = read_topology(said, processes=8, nnodes=3)
    assert (here.nproc, here.nnodes, here.addr) == (2, 3, "head")
    assert read_topology(said, processes=8, nproc=1).nproc == 1


def test_devices_are_spread_over_machines() -> None:
    assert read_topology({}, processes=8, nnodes=2) == Topology(nproc=4, nnodes=2)


@pytest.mark.parametrize(
    ("hosts", "first"),
    [
        ("gpu7", "gpu7"),
        ("gpu7,gpu8", "gpu7"),
        ("gpu[7-9]", "gpu7"),
        ("a[01,05]-ib,b1", "a01-ib"),
        ("", None),
    ],
)
def test_the_first_host_of_a_list(hosts: str, first: str | None) -> None:
    assert first_host(hosts) == first


@pytest.mark.parametrize("said", [{"NNODES": "two"}, {"NPROC_PER_NODE": "0"}, {"NODE_RANK": "1"}])
def test_nonsense_is_refused(said: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        read_topology(said, processes=8)


def test_torchs_own_words_are_taken_on_several_machines_alone() -> None:
    said = {"MASTER_ADDR": "head", "MASTER_PORT": "1234", "NODE_RANK": "0"}
    here = read_topology(said, processes=8, nnodes=2)
    assert (here.addr, here.port) == ("head", 1234)
    assert read_topology(said, processes=8) == Topology(nproc=8)


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ({"NODE_RANK": "1"}, "ADDR (the address of the first machine) must be set on each"),
        ({"MASTER_ADDR": "head"}, "NODE_RANK (0 on that one, up to 1 on the others) must be set on each"),
        ({}, "ADDR .* and NODE_RANK "),
    ],
)
def test_machines_that_cannot_find_each_other_are_refused(said: dict[str, str], wanted: str) -> None:
    with pytest.raises(UsageError, match="With 2 machines, ") as error:
        check_addresses(said, 2)
    assert re.search(wanted.replace("(", r"\(").replace(")", r"\)"), str(error.value))
    check_addresses(said, 1)


def test_slurm_tells_machines_where_they_meet() -> None:
    check_addresses(SLURM, 2)


TASK = SLURM | {"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NTASKS": "8"}


def test_a_task_of_slurm_for_each_device_is_a_process_of_the_run_and_starts_none() -> None:
    environ = dict(TASK)
    adopt(environ)
    assert launched(environ)
    said = {name: environ[name] for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")}
    assert said == {"RANK": "5", "LOCAL_RANK": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}
    assert (environ["MASTER_ADDR"], environ["MASTER_PORT"]) == ("gpu03", "23456")


def test_a_task_with_a_device_of_its_own_sees_it_as_the_first() -> None:
    assert slurm_process(TASK | {"CUDA_VISIBLE_DEVICES": "3"})["LOCAL_RANK"] == "0"
    assert slurm_process(TASK | {"CUDA_VISIBLE_DEVICES": "0,1,2,3"})["LOCAL_RANK"] == "1"


@pytest.mark.parametrize(
    "said",
    [
        SLURM,
        TASK | {"SLURM_NTASKS": "2"},
        TASK | {"ENVIRONMENT": "BATCH", "SLURM_PROCID": "0"},
        TASK | {"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NUM_NODES": "2"},
    ],
)
def test_one_task_a_machine_and_a_batch_script_start_their_processes(said: dict[str, str]) -> None:
    assert slurm_process(said) == {}
    environ = dict(said)
    adopt(environ)
    assert not launched(environ)


def test_a_step_of_a_batch_script_is_known_by_its_own_tasks() -> None:
    step = TASK | {"ENVIRONMENT": "BATCH", "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_NUM_NODES": "2"}
    assert slurm_process(step)["WORLD_SIZE"] == "8"
