"""The sizes of LLaVA that are measured here; all have random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """What a CLIP tower and a Llama are made of."""

    vision: dict[str, Any]
    text: dict[str, Any]

    @property
    def patches(self) -> int:
        """Image tokens of a picture."""
        return int(self.vision["image_size"] // self.vision["patch_size"]) ** 2


MEDIUM = Shape(
    vision={
        "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 10, "num_attention_heads": 6,
        "image_size": 224, "patch_size": 14, "projection_dim": 384,
    },
    text={
        "vocab_size": 8192, "hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 8,
        "num_attention_heads": 8, "max_position_embeddings": 2048, "initializer_range": 0.1,
    },
)  # fmt: skip
"""18 M parameters see, 25 M read and write, 8 M are words; 256 tokens a picture."""

FEW_MILLIONS = Shape(
    vision={
        "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 6, "num_attention_heads": 4,
        "image_size": 84, "patch_size": 14, "projection_dim": 64,
    },
    text={
        "hidden_size": 192, "intermediate_size": 512, "num_hidden_layers": 4, "num_attention_heads": 6,
        "max_position_embeddings": 4096,
    },
)  # fmt: skip
"""Enough that arithmetic is most of a training's work; the words are the tests' own."""

SEVEN_B = Shape(
    vision={
        "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16,
        "image_size": 336, "patch_size": 14, "projection_dim": 768,
    },
    text={
        "vocab_size": 32064, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "max_position_embeddings": 4096,
    },
)  # fmt: skip
"""LLaVA-1.5-7B: CLIP-L/14-336 and 32 layers of 4096; 576 tokens a picture."""

SHAPES = {"few": FEW_MILLIONS, "medium": MEDIUM, "7b": SEVEN_B}
"""By what `--shape` calls them."""
