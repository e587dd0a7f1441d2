"""A LLaVA in no layout: what every layout is read into and written from. Its weights are still on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vlmbench.errors import ModelError
from vlmbench.model_files.weights import LazyTensor, Weights, cast

EMBEDDING = "model.embed_tokens.weight"


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

    @property
    def rows(self) -> int:
        """How many tokens have an embedding."""
        return self._table().shape[0]

    @property
    def width(self) -> int:
        """How many numbers an embedding has."""
        return self._table().shape[1]

    def _table(self) -> LazyTensor:
        table = self.weights.get(EMBEDDING)
        if table is None:
            raise ModelError(
                f"a LLaVA cannot be made of this language model: it has no `{EMBEDDING}`.",
                key=str(self.config.get("model_type")),
                fix="Use Llama, Mistral, Qwen, Gemma, InternLM, Phi-3 or another model of that structure.",
            )
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class VisionTower:
    """A CLIP or SigLIP vision tower."""

    config: Mapping[str, Any]
    """The vision part of config.json: `model_type` is clip_vision_model or siglip_vision_model."""
    weights: Weights
    """Under the published names: `vision_model.embeddings.patch_embedding.weight`, …"""
    processor: Mapping[str, Any]
    """preprocessor_config.json."""

    @property
    def is_siglip(self) -> bool:
        """SigLIP has no class token; CLIP has one."""
        return bool(self.config["model_type"] == "siglip_vision_model")

    def settings(self) -> Any:
        """The configuration as transformers' object."""
        from transformers import CLIPVisionConfig, SiglipVisionConfig

        kind: Any = SiglipVisionConfig if self.is_siglip else CLIPVisionConfig
        return kind(**self.config)


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
    """A LLaVA model."""

    language: LanguageModel
    vision: VisionTower
    projector: Projector
    select_layer: int = -2
    """Which of the tower's hidden states the projector gets; -2 is the output of the last layer but one."""
    select_strategy: str = "default"
    """`default`: without the class token; `full`: every token (a SigLIP tower has no class token)."""
    image_token: str = "<image>"  # noqa: S105
    image_token_id: int | None = None
    """None while the tokenizer and the embedding table do not have the token yet."""
    chat_template: str | None = None
    """Jinja, without a beginning-of-sequence token."""
    square: bool = True
    """Pictures are padded to a square before the processor sees them, as in training."""

    def feature_count(self) -> int:
        """How many positions a picture takes."""
        settings = self.vision.settings()
        side = int(settings.image_size) // int(settings.patch_size)
        class_token = not self.vision.is_siglip
        return side * side + int(class_token) - int(self.select_strategy == "default")

    def in_dtype(self, dtype: str | None) -> Llava:
        """With every floating-point weight in `dtype`; None keeps each as it is stored."""
        if dtype is None:
            return self
        return replace(
            self,
            language=replace(self.language, weights=cast(self.language.weights, dtype)),
            vision=replace(self.vision, weights=cast(self.vision.weights, dtype)),
            projector=replace(self.projector, weights=cast(self.projector.weights, dtype)),
        )
