"""The trained parameters by name, wherever they are kept: on one device, or cut up by DeepSpeed."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.errors import UserError
from vlmbench.model_files.weights import LazyTensor, Weights, save_safetensors

from .parts import trained

if TYPE_CHECKING:
    import torch

_LISTED = 5


def gathered(model: Any, *, deepspeed: bool) -> Weights:
    """In float32, on the processor, each when it is read; under DeepSpeed by all ranks, in the same order."""
    read = _whole if deepspeed else _own
    return {
        name: LazyTensor(
            # Where a parameter is cut up, its own shape is that of nothing.
            shape=tuple(getattr(parameter, "ds_shape", parameter.shape)),
            dtype="float32",
            load=partial(read, parameter),
        )
        for name, parameter in sorted(trained(model))
    }


def _own(parameter: torch.Tensor) -> torch.Tensor:
    return parameter.detach().float().cpu()


def _whole(parameter: torch.Tensor) -> torch.Tensor:
    """As DeepSpeed keeps it, exactly; it keeps nothing of its own where it shares nothing."""
    from importlib import import_module

    kept = import_module("deepspeed.utils").safe_get_full_fp32_param(parameter)
    return _own(parameter if kept is None else kept)


def save(tensors: Weights, file: Path) -> None:
    """One file, tensor by tensor, in the order of their names."""
    save_safetensors(tensors, file)


def follow(tensors: Weights) -> None:
    """What a process does that does not write, while the first does."""
    for kept in tensors.values():
        kept.load()


def load(model: Any, file: Path) -> None:
    """Back into the model; every name has to be there, and no other."""
    import torch
    from safetensors.torch import load_file

    held = load_file(file)
    wanted = dict(trained(model))
    missing, strange = sorted(wanted.keys() - held.keys()), sorted(held.keys() - wanted.keys())
    if missing or strange:
        said = [f"missing: {_some(missing)}"] * bool(missing) + [f"unknown: {_some(strange)}"] * bool(strange)
        raise UserError(f"does not fit the model: {'; '.join(said)}.", file=file)
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(held[name])


def _some(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
