"""Tensors by name, from every kind of file they are kept in, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One tensor that is read, and whatever was asked of it done, only when `load` is called."""

    shape: tuple[int, ...]
    dtype: str
    """As torch calls it: `float16`."""
    load: Callable[[], torch.Tensor]


Weights = Mapping[str, Stored]
"""Tensors by name. Renaming, splitting and merging make a new mapping and read nothing."""


def in_memory(tensors: Mapping[str, torch.Tensor]) -> Weights:
    """Tensors that are already here."""
    return {name: stored(tensor) for name, tensor in tensors.items()}


def stored(tensor: torch.Tensor) -> Stored:
    """One tensor that is already here."""
    return Stored(shape=tuple(tensor.shape), dtype=dtype_name(tensor.dtype), load=lambda: tensor)


def renamed(weights: Weights, rename: Callable[[str], str | None]) -> Weights:
    """Under other names; a name that becomes None is left out."""
    pairs = ((rename(name), kept) for name, kept in weights.items())
    return {name: kept for name, kept in pairs if name is not None}


def under(weights: Weights, prefix: str) -> Weights:
    """What stands below `prefix`, without it."""
    return renamed(weights, lambda name: name[len(prefix) :] if name.startswith(prefix) else None)


def prefixed(weights: Weights, prefix: str) -> Weights:
    """All of it below `prefix`."""
    return {prefix + name: kept for name, kept in weights.items()}


def mapped(
    kept: Stored, change: Callable[[torch.Tensor], torch.Tensor], shape: Iterable[int] | None = None
) -> Stored:
    """The tensor with a change to be made when it is read; `shape` is what that makes of it."""
    return Stored(
        shape=tuple(kept.shape if shape is None else shape),
        dtype=kept.dtype,
        load=lambda: change(kept.load()),
    )


def cast(weights: Weights, dtype: str) -> Weights:
    """Every floating-point tensor in `dtype`."""
    import torch

    wanted = getattr(torch, dtype)

    def as_wanted(kept: Stored) -> Stored:
        if not getattr(torch, kept.dtype).is_floating_point:
            return kept
        return Stored(shape=kept.shape, dtype=dtype, load=lambda: kept.load().to(wanted))

    return {name: as_wanted(kept) for name, kept in weights.items()}


def loaded(weights: Weights) -> dict[str, torch.Tensor]:
    """All of them, read."""
    return {name: kept.load() for name, kept in weights.items()}


def dtype_name(dtype: Any) -> str:
    """`torch.float16` as `float16`."""
    return str(dtype).removeprefix("torch.")


def open_safetensors(file: Path) -> Weights:
    """A safetensors file; nothing but its header is read."""
    from safetensors import safe_open

    def one(name: str) -> Callable[[], torch.Tensor]:
        def read() -> torch.Tensor:
            with safe_open(file, "pt") as opened:
                tensor: torch.Tensor = opened.get_tensor(name)
                return tensor

        return read

    with safe_open(file, "pt") as opened:
        found = {}
        for name in opened.keys():  # noqa: SIM118  the handle is no mapping
            part = opened.get_slice(name)
            found[name] = Stored(
                shape=tuple(part.get_shape()), dtype=_SAFETENSORS_DTYPES[part.get_dtype()], load=one(name)
            )
        return found


_SAFETENSORS_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip

SAFETENSORS_NAMES = {dtype: name for name, dtype in _SAFETENSORS_DTYPES.items()}
"""What a safetensors header calls each of torch's dtypes."""
