"""The finished model: what was trained put into what it began with, as a Hugging Face folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.formats.huggingface import write_huggingface
from vlmbench.checkpoints.formats.recipe import RecipeFacts
from vlmbench.checkpoints.formats.unfinished import with_trained
from vlmbench.checkpoints.llava import Llava
from vlmbench.model_files.weights import Weights, open_safetensors, save_json, save_safetensors
from vlmbench.trainers.recipe.model import Recipe

from .names import PROJECTOR, TOWER, is_adapter, part_of, without_adapter_name

ADAPTER = "adapter"


def finished_llava(llava: Llava, recipe: Recipe, tensors: Weights, where: Path) -> Llava:
    """The whole model; adapters are merged, every weight in the numbers that it came in."""
    language, vision = recipe.model.language.lora, recipe.model.vision.lora
    facts = RecipeFacts(
        llm_alpha=language.alpha if language else None, vision_alpha=vision.alpha if vision else None
    )
    return replace(with_trained(llava, tensors, facts, where), square=recipe.data.square)


def write_model(llava: Llava, recipe: Recipe, file: Path, folder: Path) -> None:
    """Write the model into an existing folder, and its adapters by themselves, in PEFT's layout."""
    tensors = open_safetensors(file)
    write_huggingface(finished_llava(llava, recipe, tensors, file), folder)
    if any(is_adapter(name) for name in tensors):
        _write_adapter(tensors, recipe, folder / ADAPTER)


def _write_adapter(tensors: Weights, recipe: Recipe, folder: Path) -> None:
    """A PEFT adapter over the whole LLaVA that training began with; the projector lies in it whole."""
    folder.mkdir()
    plain = {f"base_model.model.{without_adapter_name(name)}": kept for name, kept in tensors.items()}
    modules = sorted({name.split(".lora_")[0] for name in tensors if is_adapter(name)})
    loras = {"language": recipe.model.language.lora, "vision": recipe.model.vision.lora}
    main = loras["language"] or loras["vision"]
    other = loras["vision"] if main is loras["language"] else None
    document: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": _base_of(recipe),
        "bias": "none",
        "r": main.r if main else 1,
        "lora_alpha": main.alpha if main else 1,
        "lora_dropout": main.dropout if main else 0.0,
        "target_modules": modules,
        "modules_to_save": [PROJECTOR.rstrip(".").rpartition(".")[2]] if _has_projector(tensors) else None,
        "rank_pattern": _pattern(other.r) if other else {},
        "alpha_pattern": _pattern(other.alpha) if other else {},
        "inference_mode": True,
    }
    save_json(folder / "adapter_config.json", document)
    save_safetensors(plain, folder / "adapter_model.safetensors")


def _has_projector(tensors: Mapping[str, object]) -> bool:
    return any(part_of(name) == "projector" for name in tensors)


def _pattern(value: int) -> dict[str, int]:
    return {TOWER.replace(".", r"\.") + ".*": value}


def _base_of(recipe: Recipe) -> str | None:
    """The model that an adapter of this recipe belongs on."""
    return recipe.pretrained or recipe.model.start or recipe.model.language.path
