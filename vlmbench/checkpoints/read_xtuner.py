"""xtuner's folders: a projector, and beside it adapters or whole models of what else was trained.

projector/                 always
llm_adapter/               the language model's LoRA; whole, it lies in the folder itself
visual_encoder_adapter/    the tower's LoRA; visual_encoder/ holds it whole
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmbench.checkpoints.formats.layout import config_of
from vlmbench.checkpoints.formats.parts import (
    Given,
    Reading,
    located,
    refuse,
    trained_language,
    trained_tower,
    whole,
)
from vlmbench.checkpoints.formats.recipe import Recipe, open_recipe
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import LanguageModel, Projector, VisionTower
from vlmbench.checkpoints.lora import open_adapter
from vlmbench.checkpoints.vision import open_vision
from vlmbench.errors import ModelError
from vlmbench.model_files.shards import open_weights
from vlmbench.model_files.weights import Weights, renamed

_SHOWN = {"visual_select_layer": "select_layer", "visual_select_strategy": "select_strategy"}
_RECIPE = "xtuner_config.py"


def read_xtuner(folder: Path, given: Given) -> Reading:
    """The model of a folder, with what was not trained from `--llm` and `--vision`."""
    told = recipe_beside(folder, given)
    projector = open_projector(folder / "projector")
    spoken, language = _language(folder, given, told)
    seen, vision = _vision(folder, given, told)
    llava = whole(language, vision, projector, folder, **_shown(folder, told))
    sources = _sources(folder) | {"llm": spoken, "vision": seen}
    return Reading(llava=llava, sources=sources, template=told.template)


def recipe_beside(folder: Path, given: Given) -> Recipe:
    """What `--recipe` tells, or else the configuration that xtuner leaves in the folder."""
    if given.recipe != Recipe() or not (folder / _RECIPE).is_file():
        return given.recipe
    return open_recipe(folder / _RECIPE)


def open_projector(folder: Path) -> Projector:
    """The projector of a folder of its own."""
    if not folder.is_dir():
        raise ModelError(
            "the projector is missing.",
            file=folder,
            fix="Copy this folder from where the checkpoint came from.",
        )
    config = config_of(folder)
    if config.get("hidden_act", "gelu") != "gelu":
        raise ModelError(
            f"a projector with {config['hidden_act']} is not read here.",
            file=folder / "config.json",
            key="hidden_act",
        )
    return Projector(weights=plain_projector(open_weights(folder)))


def _shown(folder: Path, told: Recipe) -> dict[str, Any]:
    """How pictures are shown, where the recipe or a folder that vlmbench wrote says so."""
    config = config_of(folder / "projector")
    shown = {"select_layer": told.select_layer}
    shown |= {ours: config[theirs] for theirs, ours in _SHOWN.items() if theirs in config}
    return {name: value for name, value in shown.items() if value is not None}


def plain_projector(weights: Weights) -> Weights:
    """Without the name of the module that holds the layers."""
    return renamed(weights, lambda name: name.removeprefix("model."))


def _language(folder: Path, given: Given, told: Recipe) -> tuple[Path, LanguageModel]:
    # Published folders of adapters have a config.json with nothing in it.
    if config_of(folder):
        refuse(given.llm, "--llm", "a language model", folder)
        return folder, open_language(folder)
    # Older tools put the adapter of the language model beside the projector's folder.
    place = next(
        (at for at in (folder / "llm_adapter", folder) if (at / "adapter_config.json").is_file()), None
    )
    adapter = open_adapter(place) if place else None
    named = adapter.settings.get("base_model_name_or_path") if adapter else None
    base = located(given.llm, named or told.llm, "--llm", "The language model", folder)
    language = open_language(base)
    return base, trained_language(language, adapter) if adapter else language


def _vision(folder: Path, given: Given, told: Recipe) -> tuple[Path, VisionTower]:
    own = folder / "visual_encoder"
    if own.is_dir():
        refuse(given.vision, "--vision", "an image encoder", own)
        return own, open_vision(own)
    place = folder / "visual_encoder_adapter"
    adapter = open_adapter(place) if place.is_dir() else None
    named = adapter.settings.get("base_model_name_or_path") if adapter else None
    base = located(given.vision, named or told.vision, "--vision", "The image encoder", folder)
    vision = open_vision(base)
    return base, trained_tower(vision, adapter) if adapter else vision


def _sources(folder: Path) -> dict[str, Path]:
    parts = ("projector", "llm_adapter", "visual_encoder_adapter")
    return {"": folder} | {name: folder / name for name in parts if (folder / name).is_dir()}
