"""Tiny models with random weights, one folder an architecture, as Hugging Face would save them.

The weights are spread widely, so that answers differ between prompts and pictures. Everything is
made here: tokenizer, processor, chat template, weights.
"""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

CORPUS = (
    "What is in the picture? Which colour is the big circle? Is there a dog on the left of the tree? "
    "A. cat B. dog C. horse D. cow Answer with the option's letter from the given choices directly. "
    "Question: Options: Please select the correct answer from the options above. yes no red blue green"
)

PLAIN_TEMPLATE = (
    "{% for message in messages %}{{ message['role'] | upper }}: "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE\n{% else %}{{ part['text'] }}{% endif %}{% endfor %} {% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
CHATML_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}IMAGE{% else %}{{ part['text'] }}{% endif %}{% endfor %}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"


def make_tokenizer(*special: str, eos: str = "</s>") -> Any:
    """A byte-level BPE trained on the spot; it can read anything and knows a few words."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokens = list(dict.fromkeys(["<pad>", "<s>", eos, *special]))
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=tokens,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([CORPUS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.token_to_id("<s>"))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token=eos, pad_token="<pad>", model_max_length=4096
    )


def text_sizes(tokenizer: Any) -> dict[str, Any]:
    """The language model's sizes, shared by all architectures."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "initializer_range": 0.25,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": False,
    }


def _clip() -> Any:
    from transformers import CLIPVisionConfig

    return CLIPVisionConfig(
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        projection_dim=32,
        initializer_factor=8.0,
    )


def _llava() -> tuple[Any, Any]:
    from transformers import (
        CLIPImageProcessorPil,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    tokenizer = make_tokenizer("<image>")
    config = LlavaConfig(
        vision_config=_clip(),
        text_config=LlamaConfig(**text_sizes(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        tie_word_embeddings=False,
    )
    images = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=PLAIN_TEMPLATE.replace("IMAGE", "<image>"),
    )
    return LlavaForConditionalGeneration(config), processor


def _llava_next() -> tuple[Any, Any]:
    from transformers import (
        LlamaConfig,
        LlavaNextConfig,
        LlavaNextForConditionalGeneration,
        LlavaNextImageProcessorPil,
        LlavaNextProcessor,
    )

    tokenizer = make_tokenizer("<image>")
    pinpoints = [[32, 64], [64, 32], [64, 64]]
    config = LlavaNextConfig(
        vision_config=_clip(),
        text_config=LlamaConfig(**text_sizes(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=pinpoints,
        tie_word_embeddings=False,
    )
    images = LlavaNextImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}, image_grid_pinpoints=pinpoints
    )
    processor = LlavaNextProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=PLAIN_TEMPLATE.replace("IMAGE", "<image>"),
    )
    return LlavaNextForConditionalGeneration(config), processor


def siglip(**sizes: Any) -> Any:
    """The sizes of a SigLIP tower of 32 pixels a side, in 16 patches."""
    from transformers import SiglipVisionConfig

    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    return SiglipVisionConfig(**{**vision, "image_size": 32, "patch_size": 8, **sizes})


def _llava_onevision() -> tuple[Any, Any]:
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionForConditionalGeneration,
        Qwen2Config,
    )
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
        LlavaOnevisionImageProcessorPil,
    )

    tokenizer = make_tokenizer("<|im_start|>", "<|im_end|>", "<image>", "<video>", eos="<|im_end|>")
    pinpoints = [[32 * rows, 32 * columns] for rows in (1, 2, 3) for columns in (1, 2, 3)]
    config = LlavaOnevisionConfig(
        vision_config=siglip(vision_use_head=False),
        text_config=Qwen2Config(**text_sizes(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_4",
    )
    images = LlavaOnevisionImageProcessorPil(size={"height": 32, "width": 32}, image_grid_pinpoints=pinpoints)
    settings = {
        "num_image_tokens": 16,
        "vision_feature_select_strategy": "full",
        "vision_aspect_ratio": "anyres_max_4",
    }
    loose = LooseProcessor("LlavaOnevisionProcessor", tokenizer, images, "<image>\n", settings)
    return LlavaOnevisionForConditionalGeneration(config), loose


@dataclass(frozen=True)
class LooseProcessor:
    """A processor as published Qwen and SmolVLM folders hold it: parts in files of their own.

    The classes themselves cannot be made without torchvision, which their video part needs.
    """

    name: str
    tokenizer: Any
    images: Any
    mark: str
    settings: Mapping[str, Any] | None = None
    """Of the processor itself, in processor_config.json."""

    def save_pretrained(self, folder: Path) -> None:
        self.tokenizer.save_pretrained(folder)
        self.images.save_pretrained(folder)
        if self.settings is not None:
            document = {"processor_class": self.name, **self.settings}
            (folder / "processor_config.json").write_text(json.dumps(document), "utf-8")
        else:
            edit_json(folder / "preprocessor_config.json", processor_class=self.name)
        (folder / "chat_template.jinja").write_text(CHATML_TEMPLATE.replace("IMAGE", self.mark), "utf-8")


def _qwen_parts() -> tuple[Any, Any, dict[str, Any]]:
    from transformers import Qwen2VLImageProcessorPil

    names = (
        "<|im_start|>",
        "<|im_end|>",
        "<|vision_start|>",
        "<|vision_end|>",
        "<|image_pad|>",
        "<|video_pad|>",
    )
    tokenizer = make_tokenizer(*names, eos="<|im_end|>")
    images = Qwen2VLImageProcessorPil(patch_size=4, size={"shortest_edge": 16 * 16, "longest_edge": 48 * 48})
    ids = {
        "image_token_id": tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        "tie_word_embeddings": False,
    }
    return tokenizer, images, ids


def _qwentext_sizes(tokenizer: Any) -> dict[str, Any]:
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 10000.0}
    return text_sizes(tokenizer) | {"rope_parameters": rope}


def _qwen2_vl() -> tuple[Any, Any]:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tokenizer, images, ids = _qwen_parts()
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": 32, "num_heads": 4, "patch_size": 4, "mlp_ratio": 2}
    config = Qwen2VLConfig(
        vision_config=vision | {"initializer_range": 0.2}, text_config=_qwentext_sizes(tokenizer), **ids
    )
    return Qwen2VLForConditionalGeneration(config), LooseProcessor(
        "Qwen2VLProcessor", tokenizer, images, QWEN_IMAGE
    )


def _qwen2_5_vl() -> tuple[Any, Any]:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tokenizer, images, ids = _qwen_parts()
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 4,
        "patch_size": 4,
        "window_size": 16,
        "fullatt_block_indexes": [1],
        "out_hidden_size": 32,
        "initializer_range": 0.2,
    }
    config = Qwen2_5_VLConfig(vision_config=vision, text_config=_qwentext_sizes(tokenizer), **ids)
    return Qwen2_5_VLForConditionalGeneration(config), LooseProcessor(
        "Qwen2_5_VLProcessor", tokenizer, images, QWEN_IMAGE
    )


def _tiles_parts() -> tuple[Any, dict[str, Any]]:
    """Tokenizer and configuration shared by Idefics3 and SmolVLM, which cut pictures into tiles."""
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 4) for column in range(1, 4)]
    names = ("<|im_start|>", "<|im_end|>", "<image>", "<fake_token_around_image>", "<global-img>", *tiles)
    tokenizer = make_tokenizer(*names, "<end_of_utterance>", eos="<|im_end|>")
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config = {
        "vision_config": vision | {"image_size": 32, "patch_size": 8, "initializer_range": 0.2},
        "text_config": {"model_type": "llama", **text_sizes(tokenizer)},
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "pad_token_id": tokenizer.pad_token_id,
        "scale_factor": 2,
        "tie_word_embeddings": False,
    }
    return tokenizer, config


TILES: dict[str, Any] = {"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}}


def _idefics3() -> tuple[Any, Any]:
    from transformers import (
        Idefics3Config,
        Idefics3ForConditionalGeneration,
        Idefics3ImageProcessorPil,
        Idefics3Processor,
    )

    tokenizer, config = _tiles_parts()
    template = CHATML_TEMPLATE.replace("IMAGE", "<image>")
    images = Idefics3ImageProcessorPil(**TILES)
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=template)
    return Idefics3ForConditionalGeneration(Idefics3Config(**config)), processor


def _smolvlm() -> tuple[Any, Any]:
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    tokenizer, config = _tiles_parts()
    images = SmolVLMImageProcessorPil(**TILES)
    loose = LooseProcessor("SmolVLMProcessor", tokenizer, images, "<image>", {"image_seq_len": 4})
    return SmolVLMForConditionalGeneration(SmolVLMConfig(**config)), loose


ARCHITECTURES: dict[str, Callable[[], tuple[Any, Any]]] = {
    "llava": _llava,
    "llava_next": _llava_next,
    "qwen2_vl": _qwen2_vl,
    "qwen2_5_vl": _qwen2_5_vl,
    "idefics3": _idefics3,
    "smolvlm": _smolvlm,
    "llava_onevision": _llava_onevision,
}
"""Every test of one kind of model runs for all of these."""


def save_model(architecture: str, folder: Path, *, seed: int = 0) -> Path:
    """Write a tiny model of this architecture to a folder, the same for the same seed."""
    import torch

    from vlmbench.model_files.silence import quiet

    with quiet(), torch.random.fork_rng():
        torch.manual_seed(seed)
        from tiny_families import FAMILIES  # which are made from the parts above

        model, processor = {**ARCHITECTURES, **FAMILIES}[architecture]()
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
    return folder


def edit_json(file: Path, **changes: Any) -> None:
    """Set keys of a JSON file; None removes one."""
    document = json.loads(file.read_text("utf-8")) | changes
    file.write_text(json.dumps({key: value for key, value in document.items() if value is not None}), "utf-8")


@functools.cache
def picture(width: int, height: int, seed: int = 0) -> bytes:
    """A PNG of coloured blocks."""
    from PIL import Image

    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((width, height), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()
