"""The trained parameters by name, wherever they are kept: on one device, or cut up by DeepSpeed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.checkpoints.save import save_safetensors
from vlmbench.checkpoints.weights import in_memory
from vlmbench.errors import UserError

from .parts import trained

if TYPE_CHECKING:
    import torch

_LISTED = 5


def gathered(model: Any, *, deepspeed: bool) -> dict[str, torch.Tensor]:
    """In float32, on the processor. Under DeepSpeed every rank has to call it."""
    if not deepspeed:
        return {name: parameter.detach().float().cpu().clone() for name, parameter in trained(model)}
    from importlib import import_module

    whole = import_module("deepspeed.utils").safe_get_full_fp32_param
    found = {name: whole(parameter) for name, parameter in trained(model)}
    return {name: kept.detach().float().cpu() for name, kept in found.items() if kept is not None}


def save(tensors: dict[str, torch.Tensor], file: Path) -> None:
    """One file."""
    save_safetensors(in_memory({name: tensor.contiguous() for name, tensor in tensors.items()}), file)


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
