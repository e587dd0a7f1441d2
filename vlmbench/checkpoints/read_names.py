"""Which part of a LLaVA a tensor belongs to, and what it is called there, in every layout's naming.

published   language_model.model.…   language_model.lm_head.…   vision_tower.vision_model.…
newest      model.language_model.…   lm_head.…                  model.vision_tower.…
official    model.…                  lm_head.…                  model.vision_tower.vision_tower.…
xtuner      llm.model.…              llm.lm_head.…              visual_encoder.…
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from vlmbench.checkpoints.vision import published
from vlmbench.model_files.weights import Stored, Weights

Part = Literal["language", "vision", "projector"]

_LINEAR = {"1": "0", "2": "2"}
"""transformers' names of the projector's layers, and ours."""


def _linear(found: re.Match[str]) -> str:
    return f"{_LINEAR[found[1]]}.{found[2]}"


def _rest(found: re.Match[str]) -> str:
    return found[1]


def _below_model(found: re.Match[str]) -> str:
    return f"model.{found[1]}"


def _tower(found: re.Match[str]) -> str:
    return published(found[1])


_RULES: tuple[tuple[re.Pattern[str], Part, Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), part, rename)  # type: ignore[misc]
    for pattern, part, rename in (
        (r"(?:model\.)?multi_modal_projector\.linear_([12])\.(.+)", "projector", _linear),
        (r"model\.mm_projector\.(.+)", "projector", _rest),
        (r"projector\.model\.(.+)", "projector", _rest),
        (r"(?:model\.)?vision_tower\.(?:vision_tower\.)?(.+)", "vision", _tower),
        (r"visual_encoder\.(.+)", "vision", _tower),
        (r"llm\.(.+)", "language", _rest),
        (r"(?:model\.)?language_model\.((?:model|lm_head)\..+)", "language", _rest),
        (r"(?:model\.)?language_model\.(.+)", "language", _below_model),
        (r"((?:model|lm_head|output)\..+)", "language", _rest),
    )
)


def placed(name: str) -> tuple[Part, str] | None:
    """The part, and the name in it; None for what is of no part."""
    for pattern, part, rename in _RULES:
        found = pattern.fullmatch(name)
        if found:
            return part, rename(found)
    return None


def in_parts(weights: Weights) -> tuple[dict[Part, dict[str, Stored]], list[str]]:
    """The weights of each part, and the names that are of none."""
    parts: dict[Part, dict[str, Stored]] = {"language": {}, "vision": {}, "projector": {}}
    strange = []
    for name, kept in weights.items():
        found = placed(name)
        if found is None:
            strange.append(name)
        else:
            parts[found[0]][found[1]] = kept
    return parts, strange
