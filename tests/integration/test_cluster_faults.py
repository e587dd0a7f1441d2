"""Drivers and machines that die, Ctrl-C, machines that join: real processes, a Ray of each run's own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import alive_in_session, answers, finished_files, run, start, told, wait_until, worker_in

from vlmbench.engine.cluster.workers import NO_ROOM, PATIENCE

pytest.importorskip("ray")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc"),
]

TWO = ("--devices", "2", "--device", "cpu")
SLOW = "echo:B,!sleep=0.05,!load=1"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    out = tmp_path_factory.mktemp("undisturbed")
    assert run(out) == 0
    return finished_files(out)


AGENTS = {"ray::DashboardA", "ray::RuntimeEnv"}
"""Two small helpers of Ray's that report the end of their machine for a minute, and then leave too."""


def nobody_left(process: subprocess.Popen[str], *, but: Collection[str] = ()) -> None:
    wait_until(
        lambda: not set(alive_in_session(process.pid)).difference(but), "the end of Ray's processes", 20
    )


def reaches(out: Path, stage: str) -> None:
    if stage == "loading":
        wait_until(lambda: worker_in(out, "loading") is not None, "a loading worker")
    elif stage == "answering":
        wait_until(lambda: len(answers(out)) >= 20, "answers")
    else:
        wait_until(lambda: told(out).get("stage") in ("scoring", "finished"), "the end of answering")


@pytest.mark.parametrize("stage", ["loading", "answering", "scoring"])
def test_a_killed_driver_leaves_no_process_and_the_same_command_finishes(
    tmp_path: Path, undisturbed: dict[str, Any], stage: str
) -> None:
    with start(tmp_path, *TWO, model=SLOW) as process:
        reaches(tmp_path, stage)
        process.kill()
        process.communicate()
    kept = len(answers(tmp_path))
    # It could not clear up; what holds a replica and memory goes with it all the same.
    nobody_left(process, but=AGENTS)
    assert run(tmp_path) == 0
    assert len(answers(tmp_path)) >= kept
    assert finished_files(tmp_path) == undisturbed


@pytest.mark.parametrize("stage", ["loading", "answering"])
@pytest.mark.parametrize("whole_terminal", [True, False])
def test_ctrl_c_ends_within_five_seconds_and_keeps_everything(
    tmp_path: Path, undisturbed: dict[str, Any], stage: str, whole_terminal: bool
) -> None:
    with start(tmp_path, *TWO, model=SLOW) as process:
        reaches(tmp_path, stage)
        seen = len(answers(tmp_path))
        began = time.monotonic()
        if whole_terminal:
            os.killpg(process.pid, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT)
        error = process.communicate()[1]
        took = time.monotonic() - began
    assert process.returncode == 130, error
    assert "Traceback" not in error
    assert took < 15  # five, and a machine that does other things as well
    assert len(answers(tmp_path)) >= seen
    nobody_left(process)
    assert run(tmp_path) == 0
    assert finished_files(tmp_path) == undisturbed


def test_two_drivers_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with start(tmp_path, *TWO, model=SLOW) as process:
        reaches(tmp_path, "loading")
        assert run(tmp_path, *TWO) == 1
        assert f"process {process.pid} is working" in capsys.readouterr().err
        process.send_signal(signal.SIGINT)
        process.communicate()


@contextlib.contextmanager
def ray_cluster(machines: int) -> Iterator[Any]:
    """A head that only keeps the books, and so many machines of one core."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(machines):
            cluster.add_node(num_cpus=1, include_dashboard=False)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        cluster.shutdown()


def test_a_machine_that_dies_costs_nothing_and_one_that_joins_takes_work(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    with ray_cluster(2) as cluster:
        process = start(tmp_path, "--nodes", "auto", model="echo:B,!sleep=0.1", RAY_ADDRESS=cluster.address)
        with process:
            reaches(tmp_path, "answering")
            cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
            cluster.add_node(num_cpus=1, include_dashboard=False)
            wait_until(
                lambda: any(w["worker"] == 2 and w["done"] > 0 for w in told(tmp_path).get("workers", [])),
                "an answer of the machine that joined",
            )
            error = process.communicate()[1]
        assert process.returncode == 0, error
        assert "has joined" in error
        assert "its machine is gone" in error
    assert finished_files(tmp_path) == undisturbed


def test_a_cluster_without_room_is_waited_for_and_no_worker_wants_more_than_a_machine_has(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    with ray_cluster(0) as cluster:
        with start(tmp_path / "all", "--nodes", "auto", RAY_ADDRESS=cluster.address) as process:
            states = lambda: [w["state"] for w in told(tmp_path / "all").get("workers", [])]  # noqa: E731
            wait_until(lambda: states() == [NO_ROOM], "word of it")
            time.sleep(PATIENCE + 1)
            for _ in range(2):
                cluster.add_node(num_cpus=1, include_dashboard=False)
            error = process.communicate()[1]
        assert process.returncode == 0, error
        assert NO_ROOM in error
        more = ("--nodes", "auto", "--devices", "1")
        with start(tmp_path / "one", *more, RAY_ADDRESS=cluster.address) as process:
            assert process.communicate(timeout=60)[1] is not None
        assert process.returncode == 0
    assert finished_files(tmp_path / "all") == finished_files(tmp_path / "one") == undisturbed


def test_without_a_cluster_nodes_auto_says_how_to_start_one(tmp_path: Path) -> None:
    with start(tmp_path, "--nodes", "auto", RAY_ADDRESS="127.0.0.1:1") as process:
        error = process.communicate()[1]
    assert process.returncode == 1
    assert "ray start --head" in error
