"""Whether weights are those of a configuration: every name, every shape, and nothing besides."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import ModelError
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.weights import Weights

Shapes = Mapping[str, tuple[int, ...]]

_HARMLESS = re.compile(r"(^|\.)(position_ids|inv_freq|num_batches_tracked)$")
"""Buffers that are computed, not learned; older files hold them."""


def without_buffers(weights: Weights) -> Weights:
    """What was learned."""
    return {name: kept for name, kept in weights.items() if not _HARMLESS.search(name)}


def listed(names: Collection[str], what: str, most: int = 8) -> str:
    """`3 missing (a, b, c)`."""
    shown = sorted(names)[:most]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{len(names)} {what} ({', '.join(shown)}{more})"


def check_weights(
    weights: Weights, wanted: Shapes, where: Path, fix: str, optional: Collection[str] = ()
) -> None:
    """Refuse weights that are not exactly the ones that are wanted, and list which."""
    shared = weights.keys() & wanted.keys()
    wrong = {name for name in shared if weights[name].shape != tuple(wanted[name])}
    complaints = [
        listed(names, what)
        for names, what in (
            (wanted.keys() - weights.keys() - set(optional), "missing"),
            (weights.keys() - wanted.keys() - set(optional), "unknown to this kind of model"),
            (
                {f"{name}: {_by(weights[name].shape)} instead of {_by(wanted[name])}" for name in wrong},
                "of another shape than the configuration says",
            ),
        )
        if names
    ]
    if complaints:
        raise ModelError(f"the weights do not fit: {'; '.join(complaints)}.", file=where, fix=fix)


def _by(shape: Collection[int]) -> str:
    return "x".join(map(str, shape)) or "one number"


def shapes_of(build: Callable[[], Any], where: Path) -> Shapes:
    """The names and shapes of a model that is built without memory."""
    import torch

    try:
        with quiet(), torch.device("meta"):
            model = build()
    # A configuration can be wrong in as many ways as it has fields.
    except Exception as error:
        raise ModelError(
            f"no model can be made of this configuration ({first_line(error)}).",
            file=where / "config.json",
            fix="Copy config.json from the model's source.",
        ) from error
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def refuse_quantised(config: Mapping[str, Any], where: Path, flag: str) -> None:
    """Held in 4 or 8 bits, a model's true weights are gone."""
    if config.get("quantization_config"):
        raise ModelError(
            "these weights are quantised, and neither merging nor converting can start from them.",
            file=where / "config.json",
            key="quantization_config",
            fix=f"Give the model they were made from: {flag} DIR.",
        )
