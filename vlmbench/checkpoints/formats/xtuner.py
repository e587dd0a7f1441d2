"""A folder in xtuner's layout: the parts side by side, each as its own model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmbench.checkpoints.assemble import generation_settings, main_dtype, text_config, tower_settings
from vlmbench.checkpoints.formats.huggingface import in_dtype, save_tokenizer
from vlmbench.checkpoints.formats.official import write_tower
from vlmbench.checkpoints.llava import LanguageModel, Llava
from vlmbench.checkpoints.save import SHARD_SIZE, save_json, save_weights
from vlmbench.checkpoints.tables import width
from vlmbench.model_files.weights import prefixed

PROJECTOR, TOWER = "projector", "visual_encoder"
LAYER, STRATEGY = "visual_select_layer", "visual_select_strategy"
"""Ours: the layout has no other place for them, and its own reader passes over keys it does not know."""


def write_xtuner(
    llava: Llava, folder: Path, *, dtype: str | None = None, shard_size: int = SHARD_SIZE
) -> None:
    """Write the model into an existing folder: all three parts in full."""
    whole = in_dtype(llava, dtype)
    write_language(whole.language, folder, chat_template=whole.chat_template, shard_size=shard_size)
    write_tower(whole.vision, folder / TOWER, shard_size=shard_size)
    write_projector(whole, folder)


def write_language(
    language: LanguageModel, folder: Path, *, chat_template: str | None, shard_size: int = SHARD_SIZE
) -> None:
    """The language model by itself with its tokenizer, as transformers has it."""
    save_json(folder / "config.json", text_config(language))
    if language.generation:
        save_json(folder / "generation_config.json", generation_settings(language))
    save_tokenizer(language.tokenizer, folder, chat_template=chat_template)
    save_weights(language.weights, folder, shard_size=shard_size)


def write_projector(llava: Llava, folder: Path) -> None:
    """The projector's own folder; xtuner knows its class, so no code is copied beside it."""
    place = folder / PROJECTOR
    place.mkdir()
    save_json(place / "config.json", _projector_config(llava))
    save_weights(prefixed(llava.projector.weights, "model."), place)


def _projector_config(llava: Llava) -> dict[str, Any]:
    config = {
        "architectures": ["ProjectorModel"],
        "bias": "0.bias" in llava.projector.weights,
        "depth": llava.projector.depth,
        "hidden_act": "gelu",
        "llm_hidden_size": width(llava.language),
        "model_type": "projector",
        "torch_dtype": main_dtype(llava.projector.weights),
        "visual_hidden_size": int(tower_settings(llava.vision).hidden_size),
    }
    if llava.select_layer != -2:
        config[LAYER] = llava.select_layer
    if llava.select_strategy != "default":
        config[STRATEGY] = llava.select_strategy
    return config
