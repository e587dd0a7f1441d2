"""Folders of the original LLaVA code: a language model with projector, tower and `mm_…` settings inside."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.assemble import generation_settings, text_config
from vlmbench.checkpoints.fit import refuse_quantised
from vlmbench.checkpoints.formats.parts import (
    OpenedCheckpoint,
    Supplied,
    in_parts,
    joined,
    located,
    refuse_own,
)
from vlmbench.checkpoints.language import language_of, save_tokenizer
from vlmbench.checkpoints.llava import Llava, Projector, VisionTower
from vlmbench.checkpoints.vision import open_vision, picture_settings, tower, write_tower
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.weights import (
    SHARD_SIZE,
    Weights,
    open_weights,
    prefixed,
    save_json,
    save_weights,
    without_buffers,
)

CLASSES = {
    "llama": ("llava_llama", "LlavaLlamaForCausalLM"),
    "mistral": ("llava_mistral", "LlavaMistralForCausalLM"),
    "mixtral": ("llava_mixtral", "LlavaMixtralForCausalLM"),
    "qwen2": ("llava_qwen", "LlavaQwenForCausalLM"),
    "gemma": ("llava_gemma", "LlavaGemmaForCausalLM"),
}
"""What the original code and its successor call a LLaVA of each kind of language model."""
TOWER = "vision_tower"
"""Where vlmbench puts the tower's own description: config.json has no place for its sizes."""
_OURS = re.compile(
    r"mm_.*|.*mm_.*|image_aspect_ratio|image_grid_pinpoints|image_crop_resolution|image_split_resolution|"
    r"freeze_mm.*|tokenizer_.*|use_mm_proj|pretraining_tp|auto_map|vision_tower.*"
)
"""LLaVA's own settings, which are not the language model's."""
_FAMILY = re.compile(r"Llava(\w+)ForCausalLM")


def read_official(folder: Path, supplied: Supplied) -> OpenedCheckpoint:
    """The model of a folder; its tower is inside, or where `mm_vision_tower` or `--vision` says."""
    refuse_own(supplied.llm, "--llm", "a language model", folder)
    config = read_json(folder / "config.json")
    check_official(config, folder)
    refuse_quantised(config, folder, "--model")
    parts = in_parts(
        without_buffers(open_weights(folder)),
        folder,
        fix="Compare config.json and the weights with the model's source.",
    )
    place, vision = tower_of(config, parts["vision"], folder, supplied)
    llava = joined(
        language_of(_language_config(config), parts["language"], folder),
        vision,
        Projector(weights=projector_of(parts["projector"])),
        folder,
        **picture_use(config),
    )
    return OpenedCheckpoint(llava=llava, sources={"": folder, "vision": place})


def tower_of(
    config: Mapping[str, Any], inside: Weights, folder: Path, supplied: Supplied
) -> tuple[Path, VisionTower]:
    """The tower that is named; of a tower whose weights are in the folder only the description is read."""
    beside = folder / TOWER
    if inside and supplied.vision is None and (beside / "config.json").is_file():
        place = beside
    else:
        place = located(supplied.vision, config["mm_vision_tower"], "--vision", "The vision tower", folder)
    if not inside:
        return place, open_vision(place)
    return place, tower(read_json(place / "config.json"), inside, picture_settings(place), folder)


def projector_of(weights: Weights) -> Weights:
    """A single linear layer has no number in its name."""
    return {f"0.{name}" if name in ("weight", "bias") else name: kept for name, kept in weights.items()}


def picture_use(config: Mapping[str, Any]) -> dict[str, Any]:
    """How the model uses pictures: which layer, with or without the class token, padded or cut."""
    return {
        "select_layer": int(config.get("mm_vision_select_layer", -2)),
        "select_strategy": "full" if config.get("mm_vision_select_feature") == "cls_patch" else "default",
        "square": config.get("image_aspect_ratio") == "pad",
    }


def _language_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The language model's own settings."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    named = [found for name in config.get("architectures") or () if (found := _FAMILY.fullmatch(str(name)))]
    classes = {name: kind for kind, name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items()}
    stated = str(config.get("model_type", "")).removeprefix("llava_").removeprefix("llava") or "llama"
    kind = classes.get(f"{named[0][1]}ForCausalLM", stated) if named else stated
    # The code's Qwen was always Qwen2.
    kind = "qwen2" if kind == "qwen" else kind
    own = {key: value for key, value in config.items() if not _OURS.fullmatch(key)}
    return own | {"model_type": kind}


def check_official(config: Mapping[str, Any], folder: Path) -> None:
    """Refuse models that take pictures in a way that vlmbench does not have."""
    file = folder / "config.json"
    if config.get("mm_use_im_start_end"):
        raise ModelError(
            "this model has its pictures between two tokens of its own, as LLaVA before 1.5.",
            file=file,
            key="mm_use_im_start_end",
            fix="Use a checkpoint of LLaVA 1.5.",
        )
    if config.get("mm_patch_merge_type", "flat") != "flat" or config.get("image_aspect_ratio") == "anyres":
        raise ModelError(
            "this is a LLaVA-NeXT, which cuts pictures into tiles.",
            file=file,
            key="mm_patch_merge_type",
            fix="Use its conversion to transformers, such as llava-hf/llava-v1.6-vicuna-7b-hf.",
        )
    kind = config.get("mm_projector_type", "linear")
    if kind != "linear" and not re.fullmatch(r"mlp\d+x_gelu", str(kind)):
        raise ModelError(
            f"vlmbench reads linear and mlpNx_gelu projectors; this one is `{kind}`.",
            file=file,
            key="mm_projector_type",
        )


def write_official(
    llava: Llava,
    folder: Path,
    *,
    dtype: str | None = None,
    shard_size: int = SHARD_SIZE,
    tower_name: str | None = None,
) -> None:
    """Write the model into an existing folder.

    The original code opens the tower that config.json names and then loads the folder's weights into it.
    `tower_name` names it; without a name the tower is written inside, so that the folder is complete.
    """
    whole = llava.in_dtype(dtype)
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
        "mm_hidden_size": int(llava.vision.settings().hidden_size),
        "mm_projector_type": _projector_type(llava),
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


def _projector_type(llava: Llava) -> str:
    depth = llava.projector.depth
    return "linear" if depth == 1 else f"mlp{depth}x_gelu"
