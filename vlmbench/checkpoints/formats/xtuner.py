"""xtuner's folders: a projector, and beside it adapters or whole models of what else was trained.

projector/                 always
llm_adapter/               the language model's LoRA; a whole language model is in the folder itself
visual_encoder_adapter/    the tower's LoRA; visual_encoder/ holds a whole tower
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.formats.layout import config_of
from vlmbench.checkpoints.formats.parts import OpenedCheckpoint, Supplied, joined, located, refuse_own
from vlmbench.checkpoints.formats.recipe import RecipeFacts, facts_with_notes, open_recipe
from vlmbench.checkpoints.formats.training import open_training, trained_parts
from vlmbench.checkpoints.language import open_language, write_language
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector, VisionTower
from vlmbench.checkpoints.lora import merged_language, merged_tower, open_adapter
from vlmbench.checkpoints.vision import open_vision, write_tower
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import (
    SHARD_SIZE,
    Weights,
    cast,
    main_dtype,
    open_weights,
    prefixed,
    renamed,
    save_json,
    save_safetensors,
    save_weights,
)

_PROJECTOR, _TOWER = "projector", "visual_encoder"
_LLM_ADAPTER, _TOWER_ADAPTER = "llm_adapter", "visual_encoder_adapter"
_LAYER, _STRATEGY = "visual_select_layer", "visual_select_strategy"
"""vlmbench's own keys: the layout has no place for them, and xtuner ignores keys that it does not know."""
_RECIPE = "xtuner_config.py"
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


def read_xtuner(folder: Path, supplied: Supplied) -> OpenedCheckpoint:
    """The model of a folder, with what was not trained from `--llm` and `--vision`."""
    facts = supplied.facts
    # The configuration that xtuner leaves in the folder.
    if facts == RecipeFacts() and (folder / _RECIPE).is_file():
        facts = open_recipe(folder / _RECIPE)
    projector = _open_projector(folder / _PROJECTOR)
    llm, language = _language(folder, supplied, facts)
    tower, vision = _vision(folder, supplied, facts)
    llava = joined(language, vision, projector, folder, **_picture_use(folder, facts))
    own = {name: folder / name for name in (_PROJECTOR, _LLM_ADAPTER, _TOWER_ADAPTER)}
    sources = {"": folder} | {name: place for name, place in own.items() if place.is_dir()}
    sources |= {"llm": llm, "vision": tower}
    return OpenedCheckpoint(llava=llava, sources=sources, template=facts.template)


def _open_projector(folder: Path) -> Projector:
    if not folder.is_dir():
        raise ModelError(
            "the projector is missing.",
            file=folder,
            fix="Copy this folder from where the checkpoint came from.",
        )
    config = config_of(folder)
    if config.get("hidden_act", "gelu") != "gelu":
        raise ModelError(
            f"vlmbench reads projectors with gelu; this one has {config['hidden_act']}.",
            file=folder / "config.json",
            key="hidden_act",
        )
    # Without the name of the module that holds the layers.
    weights = renamed(open_weights(folder), lambda name: name.removeprefix("model."))
    return Projector(weights=weights)


def _picture_use(folder: Path, facts: RecipeFacts) -> dict[str, Any]:
    """Which of the tower's features are used, where the recipe or a folder that vlmbench wrote says so."""
    config = config_of(folder / _PROJECTOR)
    use = {
        "select_layer": config.get(_LAYER, facts.select_layer),
        "select_strategy": config.get(_STRATEGY),
    }
    return {name: value for name, value in use.items() if value is not None}


def _language(folder: Path, supplied: Supplied, facts: RecipeFacts) -> tuple[Path, LanguageModel]:
    # Published folders of adapters have an empty config.json.
    if config_of(folder):
        refuse_own(supplied.llm, "--llm", "a language model", folder)
        return folder, open_language(folder)
    # Older tools put the adapter of the language model beside the projector's folder.
    place = next(
        (at for at in (folder / _LLM_ADAPTER, folder) if (at / "adapter_config.json").is_file()), None
    )
    adapter = open_adapter(place) if place else None
    named = adapter.settings.get("base_model_name_or_path") if adapter else None
    base = located(supplied.llm, named or facts.llm, "--llm", "The language model", folder)
    language = open_language(base)
    return base, merged_language(language, adapter) if adapter else language


def _vision(folder: Path, supplied: Supplied, facts: RecipeFacts) -> tuple[Path, VisionTower]:
    own = folder / _TOWER
    if own.is_dir():
        refuse_own(supplied.vision, "--vision", "a vision tower", own)
        return own, open_vision(own)
    place = folder / _TOWER_ADAPTER
    adapter = open_adapter(place) if place.is_dir() else None
    named = adapter.settings.get("base_model_name_or_path") if adapter else None
    base = located(supplied.vision, named or facts.vision, "--vision", "The vision tower", folder)
    vision = open_vision(base)
    return base, merged_tower(vision, adapter) if adapter else vision


def write_xtuner(
    llava: Llava, folder: Path, *, dtype: str | None = None, shard_size: int = SHARD_SIZE
) -> None:
    """Write the model into an existing folder: all three parts in full."""
    whole = llava.in_dtype(dtype)
    write_language(whole.language, folder, chat_template=whole.chat_template, shard_size=shard_size)
    write_tower(whole.vision, folder / _TOWER, shard_size=shard_size)
    write_projector(whole, folder)


def write_projector(llava: Llava, folder: Path) -> None:
    """The projector's own folder; xtuner has the class, so it needs no code."""
    place = folder / _PROJECTOR
    place.mkdir()
    save_json(place / "config.json", _projector_config(llava))
    save_weights(prefixed(llava.projector.weights, "model."), place)


def _projector_config(llava: Llava) -> dict[str, Any]:
    config = {
        "architectures": ["ProjectorModel"],
        "bias": "0.bias" in llava.projector.weights,
        "depth": llava.projector.depth,
        "hidden_act": "gelu",
        "llm_hidden_size": llava.language.width,
        "model_type": "projector",
        "torch_dtype": main_dtype(llava.projector.weights),
        "visual_hidden_size": int(llava.vision.settings().hidden_size),
    }
    if llava.select_layer != -2:
        config[_LAYER] = llava.select_layer
    if llava.select_strategy != "default":
        config[_STRATEGY] = llava.select_strategy
    return config


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedParts:
    """The tensors of a checkpoint that training left, by part, and the models it began with."""

    language: Weights
    vision: Weights
    facts: RecipeFacts
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


def open_trained(path: Path, facts: RecipeFacts, *, llm: Path, vision: Path) -> TrainedParts:
    """The trained tensors of a .pth file or DeepSpeed's folder, not merged into anything."""
    weights, notes = open_training(path)
    parts = trained_parts(weights, path)
    return TrainedParts(
        language=parts["language"],
        vision=parts["vision"],
        facts=facts_with_notes(facts, notes),
        llm=llm.resolve(),
        tower=vision.resolve(),
    )


def write_trained(
    run: TrainedParts, llava: Llava, folder: Path, *, dtype: str | None = None, shard_size: int = SHARD_SIZE
) -> None:
    """Write what was trained into an existing folder; `llava` is the same with everything merged.

    A part that was frozen is not written: it is the model that training began with.
    """
    whole = llava.in_dtype(dtype)
    settings: dict[str, Any]
    if is_adapter(run.language):
        settings = {"task_type": "CAUSAL_LM", "auto_mapping": None, "base_model_name_or_path": str(run.llm)}
        _write_adapter(run.language, run.facts.llm_alpha, settings, folder / _LLM_ADAPTER, dtype)
    elif run.language:
        write_language(whole.language, folder, chat_template=whole.chat_template, shard_size=shard_size)
    if is_adapter(run.vision):
        settings = {
            "task_type": None,
            "auto_mapping": _TOWER_CLASS,
            "base_model_name_or_path": str(run.tower),
        }
        _write_adapter(run.vision, run.facts.vision_alpha, settings, folder / _TOWER_ADAPTER, dtype)
    elif run.vision:
        write_tower(whole.vision, folder / _TOWER, shard_size=shard_size)
    write_projector(whole, folder)


def is_adapter(weights: Weights) -> bool:
    """Whether these are LoRA pairs to add rather than whole tensors."""
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
        # Never None here: merging, which came first, refuses an adapter without it.
        "lora_alpha": int(alpha) if alpha is not None and alpha == int(alpha) else alpha,
        "r": rank,
        "rank_pattern": {module: own for module, own in ranks.items() if own != rank},
        "target_modules": sorted({module.rpartition(".")[2] for module in ranks}),
    }
    save_json(folder / "adapter_config.json", document)
    kept = weights if dtype is None else cast(weights, dtype)
    save_safetensors(prefixed(kept, "base_model.model."), folder / "adapter_model.safetensors")
