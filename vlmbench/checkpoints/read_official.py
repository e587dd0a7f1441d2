"""Folders of the original LLaVA code: a language model's config.json with `mm_…` in it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.fit import listed, refuse_quantised, without_buffers
from vlmbench.checkpoints.formats.parts import Given, Reading, language_of, located, refuse, whole
from vlmbench.checkpoints.llava import Projector, VisionTower
from vlmbench.checkpoints.read_names import in_parts
from vlmbench.checkpoints.vision import open_vision, picture_settings, tower
from vlmbench.errors import ModelError
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.shards import open_weights
from vlmbench.model_files.weights import Weights

_OURS = re.compile(
    r"mm_.*|.*mm_.*|image_aspect_ratio|image_grid_pinpoints|image_crop_resolution|image_split_resolution|"
    r"freeze_mm.*|tokenizer_.*|use_mm_proj|pretraining_tp|auto_map|vision_tower.*"
)
"""Settings of LLaVA's, besides those of the language model."""
DESCRIBED = "vision_tower"
"""Where our own folders of this layout say what the tower inside is; config.json has no place for it."""
_FAMILY = re.compile(r"Llava(\w+)ForCausalLM")


def read_official(folder: Path, given: Given) -> Reading:
    """The model of a folder; its tower lies inside, or where `mm_vision_tower` or `--vision` says."""
    refuse(given.llm, "--llm", "a language model", folder)
    config = read_json(folder / "config.json")
    check_official(config, folder)
    refuse_quantised(config, folder, "--model")
    parts, strange = in_parts(without_buffers(open_weights(folder)))
    if strange:
        raise ModelError(
            f"the weights do not fit: {listed(strange, 'unknown to a LLaVA')}.",
            file=folder,
            fix="Compare config.json and the weights with the model's source.",
        )
    place, vision = tower_of(config, parts["vision"], folder, given)
    llava = whole(
        language_of(language_config(config), parts["language"], folder),
        vision,
        Projector(weights=projector_of(parts["projector"])),
        folder,
        **shown(config),
    )
    return Reading(llava=llava, sources={"": folder, "vision": place})


def tower_of(
    config: Mapping[str, Any], inside: Weights, folder: Path, given: Given
) -> tuple[Path, VisionTower]:
    """The tower that is named, or that one's description and the weights that lie inside the folder."""
    beside = folder / DESCRIBED
    if inside and given.vision is None and (beside / "config.json").is_file():
        place = beside
    else:
        place = located(given.vision, config["mm_vision_tower"], "--vision", "The image encoder", folder)
    if not inside:
        return place, open_vision(place)
    return place, tower(read_json(place / "config.json"), inside, picture_settings(place), folder)


def projector_of(weights: Weights) -> Weights:
    """A single linear layer has no number in its name."""
    return {f"0.{name}" if name in ("weight", "bias") else name: kept for name, kept in weights.items()}


def shown(config: Mapping[str, Any]) -> dict[str, Any]:
    """How pictures are shown: which layer, with or without the class token, padded or cut."""
    return {
        "select_layer": int(config.get("mm_vision_select_layer", -2)),
        "select_strategy": "full" if config.get("mm_vision_select_feature") == "cls_patch" else "default",
        "square": config.get("image_aspect_ratio") == "pad",
    }


def language_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The language model's own settings."""
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    named = [found for name in config.get("architectures") or () if (found := _FAMILY.fullmatch(str(name)))]
    classes = {name: kind for kind, name in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items()}
    told = str(config.get("model_type", "")).removeprefix("llava_").removeprefix("llava") or "llama"
    kind = classes.get(f"{named[0][1]}ForCausalLM", told) if named else told
    # What the code calls Qwen was always the second.
    kind = "qwen2" if kind == "qwen" else kind
    own = {key: value for key, value in config.items() if not _OURS.fullmatch(key)}
    return own | {"model_type": kind}


def check_official(config: Mapping[str, Any], folder: Path) -> None:
    """Refuse what would be asked otherwise than it was trained."""
    file = folder / "config.json"
    if config.get("mm_use_im_start_end"):
        raise ModelError(
            "this model wants its pictures between two tokens of its own, as LLaVA did before 1.5.",
            file=file,
            key="mm_use_im_start_end",
            fix="Take a checkpoint of LLaVA 1.5.",
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
            f"a projector of type `{kind}` is not read here.", file=file, key="mm_projector_type"
        )
