"""The image encoder in training: its layers behind the selected one, and no gradients where it is frozen."""

from __future__ import annotations

import re
from typing import Any

from vlmbench.checkpoints.llava import Llava

from .names import TOWER

_LAYER = re.compile(r"\.encoder\.layers\.(\d+)(\.|$)")
_BEHIND = (".post_layernorm", ".head")


def used_layers(llava: Llava) -> int:
    """How many of the tower's layers the selected hidden state needs."""
    layers = int(llava.vision.settings().num_hidden_layers)
    chosen = llava.select_layer
    return chosen if chosen >= 0 else layers + 1 + chosen


def idle(name: str, llava: Llava) -> bool:
    """Whether a module or parameter of the tower lies behind the selected layer, where no gradient comes."""
    if not name.startswith(TOWER):
        return False
    if any(mark in name for mark in _BEHIND):
        return True
    layer = _LAYER.search(name)
    return layer is not None and int(layer[1]) >= used_layers(llava)


def skip_idle(tower: Any, llava: Llava) -> int:
    """Let nothing be computed behind the selected layer; says how many layers that are.

    The layers stay where they are, with their weights: hidden states keep their numbers.
    """
    inner = getattr(tower, "vision_model", tower)
    behind = inner.encoder.layers[used_layers(llava) :]
    for layer in behind:
        layer.forward = _as_it_came
    return len(behind)


def _as_it_came(hidden_states: Any, *_: Any, **__: Any) -> Any:
    return hidden_states


def without_gradients(tower: Any) -> None:
    """A frozen tower records nothing for a way back."""
    import torch

    forward = tower.forward

    def quietly(*args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            return forward(*args, **kwargs)

    tower.forward = quietly
