"""What every layout is read into and written from: four parts, their weights still on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vlmbench.model_files.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageModel:
    """A causal language model in transformers' own classes, whatever its folder was written for."""

    config: Mapping[str, Any]
    """config.json of a class that transformers has; no remote code."""
    weights: Weights
    """Under that class's names: `model.embed_tokens.weight`, …, `lm_head.weight` unless tied."""
    tokenizer: Any
    """A fast tokenizer of transformers, complete by itself."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    """generation_config.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionTower:
    """A CLIP or SigLIP image encoder."""

    config: Mapping[str, Any]
    """The vision part of config.json: `model_type` is clip_vision_model or siglip_vision_model."""
    weights: Weights
    """Under the published names: `vision_model.embeddings.patch_embedding.weight`, …"""
    processor: Mapping[str, Any]
    """preprocessor_config.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Projector:
    """Linear, then as often as needed GELU and Linear, between tower and language model."""

    weights: Weights
    """`0.weight`, `0.bias`, `2.weight`, …: the layers counted with the GELUs between them."""

    @property
    def depth(self) -> int:
        """How many linear layers there are."""
        return sum(name.endswith(".weight") for name in self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Llava:
    """A LLaVA model, in no layout."""

    language: LanguageModel
    vision: VisionTower
    projector: Projector
    select_layer: int = -2
    """Which of the tower's hidden states is shown; -2 is the one before the last layer's."""
    select_strategy: str = "default"
    """`default`: without the class token; `full`: every token (a SigLIP tower has none to drop)."""
    image_token: str = "<image>"  # noqa: S105
    image_token_id: int | None = None
    """None while the tokenizer and the table still have to be given it."""
    chat_template: str | None = None
    """Jinja, without a beginning-of-sequence token."""
    square: bool = True
    """Pictures are padded to a square before the processor sees them, as in training."""
