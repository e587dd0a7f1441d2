"""Devices and Ray: what `--devices`, `--nodes`, `--tensor-parallel` ask for, and the cluster that has them.

Ray is started on this machine or joined, and asked what it has.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from vlmbench.cores import cores
from vlmbench.errors import UsageError, UserError

OBJECT_STORE = 256 * 1024 * 1024
"""Ray takes a third of the memory otherwise; what is passed around here is text and a few pictures."""
_SHARE_LEAST = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """How many replicas, and where."""

    count: int | None = None
    """None: as many as the cluster has room for."""
    indices: tuple[int, ...] = ()
    """Which accelerators of this machine; empty: any."""
    cluster: bool = False
    """On the Ray cluster that is running, rather than on this machine alone."""
    tensor_parallel: int = 1
    """Accelerators of one replica."""

    @property
    def several(self) -> bool:
        """More than the process at hand can do."""
        return self.cluster or (self.count or 1) > 1


def devices_of(devices: str | None, nodes: str | None, tensor_parallel: int = 1) -> Devices:
    """The flags as a value, or a UsageError with the way to write them."""
    indices = _indices(devices) if devices and "," in devices else ()
    number = len(indices) or _count(devices)
    if number is not None and number % tensor_parallel:
        raise UsageError(
            f"{number} devices cannot be shared out to replicas of {tensor_parallel}.", key="--devices"
        )
    if indices and nodes:
        raise UsageError(
            "a list of devices means those of this machine, and `--nodes` means others too.",
            key="--devices",
            fix="Write how many are wanted in all; without `--devices` the whole cluster is used.",
        )
    count = None if number is None else number // tensor_parallel
    if nodes is None:
        count = count or 1
    return Devices(count=count, indices=indices, cluster=nodes is not None, tensor_parallel=tensor_parallel)


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[1-9]\d*", text):
        raise UsageError(
            f"`{text}` is neither how many devices nor which.",
            key="--devices",
            fix="Write `--devices 4` for four of them, `--devices 0,2,3` for these.",
        )
    return int(text)


def _indices(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts or not all(part.isdecimal() for part in parts) or len(set(parts)) < len(parts):
        raise UsageError(
            f"`{text}` is not a list of different devices.", key="--devices", fix="Write `--devices 0,2,3`."
        )
    return tuple(map(int, parts))


def visible(indices: tuple[int, ...], environment: Mapping[str, str] = os.environ) -> str:
    """CUDA_VISIBLE_DEVICES for these; counted, as everywhere, within those that are visible already."""
    seen = environment.get("CUDA_VISIBLE_DEVICES")
    if seen is None:
        return ",".join(map(str, indices))
    names = [name for name in seen.split(",") if name]
    missing = [index for index in indices if index >= len(names)]
    if missing:
        raise UsageError(
            f"there is no device {missing[0]}: CUDA_VISIBLE_DEVICES shows {len(names)}.", key="--devices"
        )
    return ",".join(names[index] for index in indices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one replica is given."""

    cpus: float
    gpus: int
    threads: int | None


def import_ray() -> ModuleType:
    """The module ray, or a UserError with the command that installs it."""
    if importlib.util.find_spec("ray") is None:
        raise UserError(
            "more than one device needs Ray, which is not installed.",
            fix='Install it: pip install "vlmbench-suite[ray]". One device (`--devices 1`) works without.',
        )
    # Read when ray is imported: nothing is reported to anyone, and a worker without an accelerator of its
    # own is left the environment as it is.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    import ray

    module: ModuleType = ray
    return module


def connect(devices: Devices, *, device: str) -> Callable[[], None]:
    """Start or join Ray; what is returned ends what was begun here, and nothing else."""
    ray = import_ray()
    if ray.is_initialized():
        return lambda: None
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    with _own_signals(), _visible(devices):
        if devices.cluster:
            _join(ray, quiet)
        else:
            ray.init(
                address="local",
                num_cpus=max(cores(), devices.count or 1),
                num_gpus=0 if device == "cpu" else None,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE,
                **quiet,
            )
    return lambda: ray.shutdown()


def _join(ray: ModuleType, quiet: dict[str, Any]) -> None:
    address = os.environ.get("RAY_ADDRESS", "auto")
    if address.startswith("ray://"):
        raise UserError(
            f"RAY_ADDRESS is {address}: a run must be started on a machine of the cluster itself.",
            fix="Log in there, or use `ray job submit`; see docs/multi-node.md.",
        )
    try:
        _knock(address)
        ray.init(address=address, **quiet)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"there is no Ray cluster to join at `{address}` ({' '.join(str(error).split())[:200]}).",
            fix="Start one with `ray start --head`, set RAY_ADDRESS to it, or leave `--nodes` out to use "
            "this machine alone. A cluster that asks for a token needs RAY_AUTH_MODE=token here too; see "
            "docs/multi-node.md.",
        ) from None


def _knock(address: str) -> None:
    """Ray itself would wait for minutes for a head that is not there."""
    host, _, port = _written_down().rpartition(":") if address == "auto" else address.rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


def _written_down() -> str:
    """Where `ray start` leaves the address of this machine's cluster; empty when there is none."""
    folder = Path(os.environ.get("RAY_TMPDIR", "/tmp"))  # noqa: S108 - that is where Ray writes
    try:
        return (folder / "ray" / "ray_current_cluster").read_text("utf-8").strip()
    except OSError:
        return ""


@contextlib.contextmanager
def _own_signals() -> Iterator[None]:
    """Ray installs a handler of its own for a polite kill; ours is the one that keeps answers."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError, TypeError):
            signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _visible(devices: Devices) -> Iterator[None]:
    """Ray sees what CUDA_VISIBLE_DEVICES shows when it starts."""
    name = "CUDA_VISIBLE_DEVICES"
    before = os.environ.get(name)
    if devices.indices:
        os.environ[name] = visible(devices.indices)
    try:
        yield
    finally:
        if devices.indices:
            os.environ.pop(name)
            if before is not None:
                os.environ[name] = before


def share_of(devices: Devices, *, device: str) -> Share:
    """What each of so many replicas gets of everything there is."""
    machines = [node["Resources"] for node in nodes()]
    each = devices.tensor_parallel if any(_gpus(machine, device) for machine in machines) else 0
    if not each:
        _no_gpus(devices, device)
        count = devices.count or max(len(machines), 1)
        return _share(_fitting([(machine["CPU"], count) for machine in machines], count), 0)
    rooms = [(machine["CPU"], int(_gpus(machine, device) // each)) for machine in machines]
    count, most = devices.count or sum(room for _, room in rooms), sum(room for _, room in rooms)
    if not most:
        largest = max(int(_gpus(machine, device)) for machine in machines)
        raise UsageError(
            f"a replica of {each} accelerators needs them on one machine, and the largest has {largest}.",
            key="--tensor-parallel",
        )
    if count > most:
        raise UsageError(
            f"{count} replicas of {each} need {count * each} accelerators, and there is room for {most}.",
            key="--devices",
        )
    return _share(_fitting(rooms, count), each)


def _fitting(rooms: Sequence[tuple[float, int]], count: int) -> float:
    """The largest share of cores of which so many fit on these machines; each has cores and a limit.

    No share goes over a machine's edge, so that it can be smaller than all cores over all replicas.
    """
    shares = sorted({cores / n for cores, most in rooms for n in range(1, min(count, most) + 1)})
    while shares:
        share = shares.pop()
        if sum(min(most, int(cores / share + 1e-9)) for cores, most in rooms) >= count:
            return share
    return 1.0


def share_on(node: dict[str, Any], devices: Devices, *, device: str) -> tuple[int, Share]:
    """How many replicas a node has room for, and what each of them gets there."""
    resources = node["Resources"]
    gpus, cpus = _gpus(resources, device), resources.get("CPU", 0.0)
    if gpus:
        count = int(gpus // devices.tensor_parallel)
        return count, _share(cpus / max(count, 1), devices.tensor_parallel)
    return int(cpus >= 1), _share(max(cpus, 1.0), 0)


def _gpus(resources: dict[str, Any], device: str) -> float:
    return 0.0 if device == "cpu" else float(resources.get("GPU", 0.0))


def _no_gpus(devices: Devices, device: str) -> None:
    if devices.indices or devices.tensor_parallel > 1 or device not in ("auto", "cpu"):
        raise UsageError(
            "Ray finds no accelerator on this machine.",
            key="--devices",
            fix="`--devices N --device cpu` starts N workers on the CPU cores.",
        )


def _share(each: float, gpus: int) -> Share:
    threads = max(int(each), 1)
    if gpus:
        # The work is on the accelerator; a core for each is booked so that other jobs find theirs.
        return Share(cpus=min(1.0, _floor(each)), gpus=gpus, threads=threads)
    return Share(cpus=float(int(each)) if each >= 1 else _floor(each), gpus=0, threads=threads)


def _floor(share: float) -> float:
    return max(int(share * 100) / 100, _SHARE_LEAST)


def nodes() -> list[dict[str, Any]]:
    """Machines of the cluster that are alive and have anything to work with."""
    found: list[dict[str, Any]] = import_ray().nodes()
    return [node for node in found if node["Alive"] and node["Resources"].get("CPU", 0) >= 1]


def has_process(actor: Any) -> bool:
    """Whether an actor's process has been started; until then it waits for room."""
    # Ray shows it in public only with a dashboard; if this moves, no worker is ended for it.
    with contextlib.suppress(Exception):
        from ray._private.state import actors

        return bool(actors(actor._actor_id.hex())["Pid"])
    return False


def why_dead(error: BaseException) -> str:
    """Ray's page about a death in a line."""
    text = " ".join(str(error).split())
    for mark, reason in (
        ("node is dead", "its machine is gone"),
        ("node has died", "its machine is gone"),
        ("node died", "its machine is gone"),
        ("connection error code 2", "the process was killed or crashed (out of memory, a signal)"),
        ("ray.kill", "the process was stopped"),
    ):
        if mark in text.lower():
            return reason
    _, _, detail = text.partition("Worker exit detail: ")
    return (detail or text or type(error).__name__)[:200]
