"""How the cores and accelerators of several machines are shared out, so that every replica finds room."""

from __future__ import annotations

from typing import Any

import pytest

from vlmbench.engine.cluster import ray_cluster
from vlmbench.engine.cluster.placement import WorkerSlot
from vlmbench.engine.cluster.ray_cluster import Devices, Share, share_of
from vlmbench.errors import UsageError


@pytest.fixture
def machines(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend that the cluster has these: cores, or cores and accelerators."""

    def have(*each: tuple[float, float]) -> None:
        found = [{"Resources": {"CPU": cores, "GPU": gpus}} for cores, gpus in each]
        monkeypatch.setattr(ray_cluster, "nodes", lambda: found)

    return have


def devices(count: int | None, tensor_parallel: int = 1) -> Devices:
    return Devices(count=count, cluster=True, tensor_parallel=tensor_parallel)


@pytest.mark.parametrize(
    ("cores", "count", "share"),
    [
        # One replica cannot have the cores of two machines.
        ((1, 1), 1, 1.0),
        ((8, 2), 1, 8.0),
        ((8, 2), 2, 4.0),
        ((8, 2), 5, 2.0),
        ((3, 3), 4, 1.0),
        ((1,), 2, 0.5),
        ((4,), 3, 1.0),
    ],
)
def test_no_share_goes_over_a_machines_edge(
    machines: Any, cores: tuple[int, ...], count: int, share: float
) -> None:
    machines(*((n, 0) for n in cores))
    assert share_of(devices(count), device="auto").cpus == share


def test_replicas_on_accelerators_find_a_core_each_where_the_accelerators_are(machines: Any) -> None:
    machines((64, 1), (2, 4))
    assert share_of(devices(5), device="auto") == Share(cpus=0.5, gpus=1, threads=1)


def test_a_cluster_that_nobody_has_joined_can_still_be_waited_for(machines: Any) -> None:
    machines()
    assert share_of(devices(3), device="auto").cpus == 1


@pytest.mark.parametrize(("count", "tensor_parallel"), [(None, 8), (1, 8), (3, 4), (3, 3)])
def test_what_fits_on_no_machine_is_refused(machines: Any, count: int | None, tensor_parallel: int) -> None:
    machines((16, 4), (16, 4))
    with pytest.raises(UsageError, match=r"on one machine, and the largest has 4|there is room for 2"):
        share_of(devices(count, tensor_parallel), device="auto")


def test_what_a_worker_said_of_other_pictures_does_not_count() -> None:
    slot = WorkerSlot(0, Share(cpus=1, gpus=0, threads=1))
    before, now = object(), object()
    slot.sight = (before, True)
    assert slot.sees(before) is True
    assert slot.sees(now) is None
