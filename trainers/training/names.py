"""The names of parameters: in transformers' LLaVA, and in the parts that every layout is read into."""

from __future__ import annotations

import re
from typing import Literal

from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.vision import published
from vlmbench.errors import VlmbenchError
from vlmbench.model_files.weights import Weights

Part = Literal["language", "vision", "projector"]

LANGUAGE, HEAD, TOWER, PROJECTOR = (
    "model.language_model.",
    "lm_head.",
    "model.vision_tower.",
    "model.multi_modal_projector.",
)
_LAYERS = {"linear_1.": "0.", "linear_2.": "2."}
_ADAPTER = re.compile(r"\.lora_([AB])\.default\.weight$")


def part_of(name: str) -> Part:
    """Which part a parameter is of."""
    if name.startswith((LANGUAGE, HEAD)):
        return "language"
    if name.startswith(TOWER):
        return "vision"
    if name.startswith(PROJECTOR):
        return "projector"
    raise VlmbenchError(f"{name} is of no part of a LLaVA")


def stored_name(name: str) -> tuple[Part, str]:
    """The part, and the name that the parameter has there; adapters lose the name of theirs."""
    part = part_of(name)
    name = without_adapter_name(name.replace(".base_layer.", "."))
    if part == "language":
        return part, name if name.startswith(HEAD) else "model." + name.removeprefix(LANGUAGE)
    if part == "vision":
        return part, published(name.removeprefix(TOWER))
    name = name.removeprefix(PROJECTOR)
    layer = next(layer for layer in _LAYERS if name.startswith(layer))
    return part, _LAYERS[layer] + name.removeprefix(layer)


def stored_parts(llava: Llava) -> dict[Part, Weights]:
    """What the parts began with, under the names that `stored_name` gives."""
    return {
        "language": llava.language.weights,
        "vision": llava.vision.weights,
        "projector": llava.projector.weights,
    }


def is_adapter(name: str) -> bool:
    """Whether a parameter is one of LoRA's."""
    return _ADAPTER.search(name) is not None


def without_adapter_name(name: str) -> str:
    """`….lora_A.default.weight` as `….lora_A.weight`."""
    return _ADAPTER.sub(r".lora_\1.weight", name)
