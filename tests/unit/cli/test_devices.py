"""What `--devices`, `--nodes` and `--tensor-parallel` mean."""

from __future__ import annotations

import pytest

from vlmbench.api.run.model_opening import ModelOptions, requested_devices
from vlmbench.engine.cluster.ray_cluster import Devices, devices_of, visible
from vlmbench.errors import UsageError


@pytest.mark.parametrize(
    ("devices", "nodes", "tensor_parallel", "meant"),
    [
        (None, None, 1, Devices(count=1)),
        ("4", None, 1, Devices(count=4)),
        ("0,2,3", None, 1, Devices(count=3, indices=(0, 2, 3))),
        ("0,1,2,3", None, 2, Devices(count=2, indices=(0, 1, 2, 3), tensor_parallel=2)),
        ("2,", None, 1, Devices(count=1, indices=(2,))),
        (None, "auto", 1, Devices(count=None, cluster=True)),
        ("6", "auto", 1, Devices(count=6, cluster=True)),
        (None, None, 2, Devices(count=1, tensor_parallel=2)),
        ("8", None, 2, Devices(count=4, tensor_parallel=2)),
    ],
)
def test_flags_as_a_value(
    devices: str | None, nodes: str | None, tensor_parallel: int, meant: Devices
) -> None:
    assert devices_of(devices, nodes, tensor_parallel) == meant


@pytest.mark.parametrize(
    ("devices", "nodes", "tensor_parallel", "named"),
    [
        ("0", None, 1, "how many devices nor which"),
        ("all", None, 1, "how many devices nor which"),
        ("0,0", None, 1, "different devices"),
        ("0,x", None, 1, "different devices"),
        ("0,1,2", None, 2, "replicas of 2"),
        ("0,1", "auto", 1, "this machine"),
    ],
)
def test_what_cannot_be_is_refused(devices: str, nodes: str | None, tensor_parallel: int, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        devices_of(devices, nodes, tensor_parallel)


def test_only_more_than_one_process_needs_ray() -> None:
    assert not devices_of(None, None).several
    assert not devices_of("1", None).several
    assert not devices_of("3,", None).several
    assert devices_of("2", None).several
    assert devices_of(None, "auto").several


def test_devices_are_counted_within_those_that_are_visible() -> None:
    assert visible((0, 2), {}) == "0,2"
    assert visible((0, 2), {"CUDA_VISIBLE_DEVICES": "4,5,7"}) == "4,7"
    with pytest.raises(UsageError, match="no device 3"):
        visible((3,), {"CUDA_VISIBLE_DEVICES": "4,5,7"})


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (ModelOptions(name="openai:x@http://h/v1", devices="2"), "devices of a server"),
        (ModelOptions(name="demo", tensor_parallel=2), "only vllm"),
        (ModelOptions(name="demo", devices="2", device="cuda:1"), "one device"),
    ],
)
def test_models_that_cannot_use_them_say_so(options: ModelOptions, named: str) -> None:
    with pytest.raises(UsageError, match=named):
        requested_devices(options)


def test_a_vllm_replica_may_have_several_devices() -> None:
    options = ModelOptions(name="vllm:demo", devices="4", tensor_parallel=2)
    assert requested_devices(options) == Devices(count=2, tensor_parallel=2)
