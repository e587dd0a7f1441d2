"""What `--devices`, `--nodes` and `--tensor-parallel` ask for, before any of it is looked for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from vlmbench.errors import UsageError


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
    """The flags as a value, or a UsageError that says how to write them."""
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
