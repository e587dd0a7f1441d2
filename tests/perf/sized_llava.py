"""A LLaVA with random weights of any size: of a tiny one, nothing but overhead would be measured."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from llava_shapes import Shape

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from tiny_models import PLAIN_TEMPLATE, make_tokenizer


def save_llava(folder: Path, shape: Shape, *, dtype: str = "float32", device: str = "cpu") -> Path:
    """With a Llama and a CLIP tower of this shape; the words are the tests' own. Made on `device`."""
    import torch
    from transformers import (
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = make_tokenizer("<image>")
    words = {
        "vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id,
    }  # fmt: skip
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**shape.vision),
        text_config=LlamaConfig(**words | shape.text, tie_word_embeddings=False),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    side = shape.vision["image_size"]
    images: Any = CLIPImageProcessorPil
    processor: Any = LlavaProcessor
    torch.manual_seed(0)
    with torch.device(device):
        model = LlavaForConditionalGeneration(config)
    model.to(getattr(torch, dtype)).save_pretrained(folder)
    processor(
        images(size={"shortest_edge": side}, crop_size={"height": side, "width": side}),
        tokenizer,
        patch_size=shape.vision["patch_size"],
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=PLAIN_TEMPLATE.replace("IMAGE", "<image>"),
    ).save_pretrained(folder)
    return folder
