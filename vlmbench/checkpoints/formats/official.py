"""A folder in the layout of the original LLaVA code: one language model with everything else inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmbench.checkpoints.assemble import (
    generation_settings,
    text_config,
    tower_settings,
    vision_config,
)
from vlmbench.checkpoints.formats.huggingface import in_dtype, save_tokenizer
from vlmbench.checkpoints.llava import Llava, VisionTower
from vlmbench.checkpoints.save import SHARD_SIZE, save_json, save_weights
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import Weights, prefixed

CLASSES = {
    "llama": ("llava_llama", "LlavaLlamaForCausalLM"),
    "mistral": ("llava_mistral", "LlavaMistralForCausalLM"),
    "mixtral": ("llava_mixtral", "LlavaMixtralForCausalLM"),
    "qwen2": ("llava_qwen", "LlavaQwenForCausalLM"),
    "gemma": ("llava_gemma", "LlavaGemmaForCausalLM"),
}
"""What the original code and its successor call a LLaVA of each kind of language model."""
TOWER = "vision_tower"
"""The tower by itself, in a folder inside: config.json has no place for its sizes."""


def write_official(
    llava: Llava,
    folder: Path,
    *,
    dtype: str | None = None,
    shard_size: int = SHARD_SIZE,
    tower_name: str | None = None,
) -> None:
    """Write the model into an existing folder.

    The original code opens the tower that config.json names and then puts the weights of the folder in.
    `tower_name` says which; without it the tower is written out once more, so that the folder is whole.
    """
    whole = in_dtype(llava, dtype)
    save_json(folder / "config.json", _config(whole, tower_name or TOWER))
    if whole.language.generation:
        save_json(folder / "generation_config.json", generation_settings(whole.language))
    save_json(folder / "preprocessor_config.json", whole.vision.processor)
    if tower_name is None:
        write_tower(whole.vision, folder / TOWER, shard_size=shard_size)
    save_tokenizer(whole.language.tokenizer, folder, chat_template=whole.chat_template)
    save_weights(_weights(whole), folder, shard_size=shard_size)


def _weights(llava: Llava) -> Weights:
    return {
        **llava.language.weights,
        **prefixed(llava.projector.weights, "model.mm_projector."),
        **prefixed(llava.vision.weights, "model.vision_tower.vision_tower."),
    }


def _config(llava: Llava, tower_name: str) -> dict[str, Any]:
    kind = str(llava.language.config.get("model_type"))
    if kind not in CLASSES:
        raise ModelError(
            f"the original LLaVA code has no class for a language model of the kind `{kind}`.",
            fix=f"It has them for {', '.join(CLASSES)}. `--to huggingface` takes any.",
        )
    model_type, architecture = CLASSES[kind]
    return {
        **text_config(llava.language),
        "architectures": [architecture],
        "image_aspect_ratio": "pad" if llava.square else "square",
        "mm_hidden_size": int(tower_settings(llava.vision).hidden_size),
        "mm_projector_type": projector_type(llava),
        "mm_use_im_patch_token": False,
        "mm_use_im_start_end": False,
        "mm_vision_select_feature": "patch" if llava.select_strategy == "default" else "cls_patch",
        "mm_vision_select_layer": llava.select_layer,
        "mm_vision_tower": tower_name,
        "model_type": model_type,
        "unfreeze_mm_vision_tower": True,
        "use_cache": True,
        "use_mm_proj": True,
    }


def projector_type(llava: Llava) -> str:
    """As the original code spells it."""
    depth = llava.projector.depth
    return "linear" if depth == 1 else f"mlp{depth}x_gelu"


def write_tower(vision: VisionTower, folder: Path, *, shard_size: int = SHARD_SIZE) -> None:
    """The image encoder by itself with its processor, as transformers has it."""
    folder.mkdir(exist_ok=True)
    save_json(folder / "config.json", vision_config(vision))
    save_json(folder / "preprocessor_config.json", vision.processor)
    save_weights(vision.weights, folder, shard_size=shard_size)
