"""More tiny models: families whose pictures are cut in ways of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tiny_models import CHATML_TEMPLATE, LooseProcessor, make_tokenizer, siglip, text_sizes


def _named(tokenizer: Any, **names: str) -> Any:
    """The tokenizer with the names by which its family's processor looks tokens up."""
    tokenizer.init_kwargs["extra_special_tokens"] = names
    tokenizer._set_model_specific_special_tokens(names)
    return tokenizer


def _internvl() -> tuple[Any, Any]:
    from transformers import InternVLConfig, InternVLForConditionalGeneration, InternVLVisionConfig
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    marks = {
        "start_image_token": "<img>",
        "end_image_token": "</img>",
        "context_image_token": "<IMG_CONTEXT>",
        "video_token": "<video>",
    }
    tokenizer = make_tokenizer("<|im_start|>", "<|im_end|>", *marks.values(), eos="<|im_end|>")
    vision = InternVLVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=(32, 32),
        patch_size=(8, 8),
        initializer_range=0.2,
    )
    config = InternVLConfig(
        vision_config=vision,
        text_config={"model_type": "qwen2", **text_sizes(tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
        tie_word_embeddings=False,
    )
    images = GotOcr2ImageProcessorPil(size={"height": 32, "width": 32})
    loose = LooseProcessor(
        "InternVLProcessor", _named(tokenizer, **marks), images, "<IMG_CONTEXT>\n", {"image_seq_length": 4}
    )
    return InternVLForConditionalGeneration(config), loose


def _gemma3() -> tuple[Any, Any]:
    from transformers import (
        Gemma3Config,
        Gemma3ForConditionalGeneration,
        Gemma3ImageProcessorPil,
        Gemma3Processor,
    )

    marks = {
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
        "image_token": "<image_soft_token>",
    }
    tokenizer = make_tokenizer("<|im_start|>", "<|im_end|>", *marks.values(), eos="<|im_end|>")
    config = Gemma3Config(
        text_config=text_sizes(tokenizer) | {"head_dim": 8, "query_pre_attn_scalar": 8},
        vision_config=siglip(vision_use_head=False).to_dict(),
        mm_tokens_per_image=4,
        boi_token_index=tokenizer.convert_tokens_to_ids(marks["boi_token"]),
        eoi_token_index=tokenizer.convert_tokens_to_ids(marks["eoi_token"]),
        image_token_index=tokenizer.convert_tokens_to_ids(marks["image_token"]),
    )
    processor = Gemma3Processor(
        Gemma3ImageProcessorPil(size={"height": 32, "width": 32}),
        _named(tokenizer, **marks),
        image_seq_length=4,
        chat_template=CHATML_TEMPLATE.replace("IMAGE", marks["boi_token"]),
    )
    return Gemma3ForConditionalGeneration(config), processor


def _minicpmv4_6() -> tuple[Any, Any]:
    from transformers import MiniCPMV4_6Config, MiniCPMV4_6ForConditionalGeneration
    from transformers.models.minicpmv4_6.image_processing_pil_minicpmv4_6 import MiniCPMV4_6ImageProcessorPil

    marks = {
        "image_token": "<|image_pad|>",
        "video_token": "<|video_pad|>",
        "image_start_token": "<image>",
        "image_end_token": "</image>",
        "slice_start_token": "<slice>",
        "slice_end_token": "</slice>",
        "image_id_start_token": "<image_id>",
        "image_id_end_token": "</image_id>",
    }
    tokenizer = make_tokenizer("<|im_start|>", "<|im_end|>", *marks.values(), eos="<|im_end|>")
    text = text_sizes(tokenizer) | {
        "model_type": "qwen3_5_text",
        "head_dim": 8,
        "layer_types": ["linear_attention", "full_attention"],
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 2,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "image_size": 56,
        "patch_size": 4,
    }
    config = MiniCPMV4_6Config(
        text_config=text,
        vision_config=vision,
        insert_layer_id=1,
        image_token_id=tokenizer.convert_tokens_to_ids(marks["image_token"]),
        video_token_id=tokenizer.convert_tokens_to_ids(marks["video_token"]),
    )
    images = MiniCPMV4_6ImageProcessorPil(scale_resolution=48, patch_size=4)
    loose = LooseProcessor(
        "MiniCPMV4_6Processor", _named(tokenizer, **marks), images, marks["image_token"], {}
    )
    return MiniCPMV4_6ForConditionalGeneration(config), loose


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "internvl": _internvl,
    "gemma3": _gemma3,
    "minicpmv4_6": _minicpmv4_6,
}
