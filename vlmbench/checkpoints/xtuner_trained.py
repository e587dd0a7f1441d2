"""What a training run changed, written as xtuner itself writes it: adapters stay adapters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.deepspeed import open_deepspeed
from vlmbench.checkpoints.fit import without_buffers
from vlmbench.checkpoints.formats.huggingface import in_dtype
from vlmbench.checkpoints.formats.layout import layout_of
from vlmbench.checkpoints.formats.official import write_tower
from vlmbench.checkpoints.formats.parts import Given
from vlmbench.checkpoints.formats.recipe import Recipe, open_recipe
from vlmbench.checkpoints.formats.training import recipe_within
from vlmbench.checkpoints.formats.xtuner import TOWER, write_language, write_projector
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.lora import trained
from vlmbench.checkpoints.read_names import in_parts
from vlmbench.checkpoints.save import SHARD_SIZE, save_json, save_safetensors
from vlmbench.model_files.pickles import load_pickle, tensors_of
from vlmbench.model_files.weights import Weights, cast, prefixed

_LORA_A = ".lora_A.weight"
_SETTINGS: dict[str, Any] = {
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "modules_to_save": None,
    "peft_type": "LORA",
    "use_dora": False,
    "use_rslora": False,
}
"""What all of xtuner's adapters have in common."""
_TOWER_CLASS = {
    "base_model_class": "CLIPVisionModel",
    "parent_library": "transformers.models.clip.modeling_clip",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """The tensors of a checkpoint that training left, by part, and the models it began with."""

    language: Weights
    vision: Weights
    told: Recipe
    llm: Path
    tower: Path

    def begun_with(self) -> dict[str, Path]:
        """What is needed besides the folder, to read it again."""
        whole = {
            "llm": bool(self.language) and not is_adapter(self.language),
            "vision": bool(self.vision) and not is_adapter(self.vision),
        }
        places = {"llm": self.llm, "vision": self.tower}
        return {name: path for name, path in places.items() if not whole[name]}


def open_trained(path: Path, recipe: Path | None, *, llm: Path, vision: Path) -> Trained:
    """The trained tensors of a .pth file or DeepSpeed's folder, not merged into anything."""
    held: Mapping[str, Any]
    if layout_of(path) == "pth":
        held = load_pickle(path)
        weights = tensors_of(held.get("state_dict", held), path)
    else:
        weights, held = open_deepspeed(path)
    given = Given(recipe=Recipe() if recipe is None else open_recipe(recipe))
    parts, _ = in_parts(without_buffers(trained(weights, {}, path).weights))
    return Trained(
        language=parts["language"],
        vision=parts["vision"],
        told=recipe_within(held, given),
        llm=llm.resolve(),
        tower=vision.resolve(),
    )


def write_trained(
    run: Trained, llava: Llava, folder: Path, *, dtype: str | None = None, shard_size: int = SHARD_SIZE
) -> None:
    """Write what was trained into an existing folder; `llava` is the same with everything merged.

    A part that was frozen is not written: it is the model that training began with.
    """
    whole = in_dtype(llava, dtype)
    settings: dict[str, Any]
    if is_adapter(run.language):
        settings = {"task_type": "CAUSAL_LM", "auto_mapping": None, "base_model_name_or_path": str(run.llm)}
        _write_adapter(run.language, run.told.llm_alpha, settings, folder / "llm_adapter", dtype)
    elif run.language:
        write_language(whole.language, folder, chat_template=whole.chat_template, shard_size=shard_size)
    if is_adapter(run.vision):
        settings = {
            "task_type": None,
            "auto_mapping": _TOWER_CLASS,
            "base_model_name_or_path": str(run.tower),
        }
        _write_adapter(run.vision, run.told.vision_alpha, settings, folder / "visual_encoder_adapter", dtype)
    elif run.vision:
        write_tower(whole.vision, folder / TOWER, shard_size=shard_size)
    write_projector(whole, folder)


def is_adapter(weights: Weights) -> bool:
    """Pairs of matrices to add, rather than tensors to put in place."""
    return any(name.endswith(_LORA_A) for name in weights)


def _write_adapter(
    weights: Weights, alpha: float | None, settings: Mapping[str, Any], folder: Path, dtype: str | None
) -> None:
    folder.mkdir()
    ranks = {
        name.removesuffix(_LORA_A): kept.shape[0] for name, kept in weights.items() if name.endswith(_LORA_A)
    }
    rank = max(ranks.values())
    document = {
        **_SETTINGS,
        **settings,
        # Merging has asked for it already, and says so where nothing tells it.
        "lora_alpha": int(alpha) if alpha is not None and alpha == int(alpha) else alpha,
        "r": rank,
        "rank_pattern": {module: own for module, own in ranks.items() if own != rank},
        "target_modules": sorted({module.rpartition(".")[2] for module in ranks}),
    }
    save_json(folder / "adapter_config.json", document)
    kept = weights if dtype is None else cast(weights, dtype)
    save_safetensors(prefixed(kept, "base_model.model."), folder / "adapter_model.safetensors")
