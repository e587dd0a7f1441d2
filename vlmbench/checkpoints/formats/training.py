"""What training leaves on its way: xtuner's .pth files, and DeepSpeed's folders of xtuner or transformers.

Only what was trained is in them. The rest comes from the models that training began with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.deepspeed import open_deepspeed
from vlmbench.checkpoints.fit import listed, without_buffers
from vlmbench.checkpoints.formats.layout import config_of
from vlmbench.checkpoints.formats.parts import (
    Given,
    Reading,
    changed_by,
    located,
    trained_language,
    trained_tower,
    whole,
)
from vlmbench.checkpoints.formats.recipe import Recipe, recipe_of
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import Projector
from vlmbench.checkpoints.lora import trained
from vlmbench.checkpoints.read_huggingface import read_huggingface
from vlmbench.checkpoints.read_names import in_parts
from vlmbench.checkpoints.vision import open_vision
from vlmbench.errors import ModelError
from vlmbench.model_files.pickles import load_pickle, tensors_of
from vlmbench.model_files.weights import Weights


def read_pth(file: Path, given: Given) -> Reading:
    """A file that mmengine wrote."""
    held = load_pickle(file)
    if not isinstance(held, Mapping):
        raise ModelError("this file holds no named tensors.", file=file, fix="Check the path.")
    return _trained(tensors_of(held.get("state_dict", held), file), held, file, given)


def read_deepspeed(folder: Path, given: Given) -> Reading:
    """A folder that DeepSpeed wrote, for xtuner or for transformers' Trainer."""
    weights, notes = open_deepspeed(folder)
    if config_of(folder).get("model_type") == "llava":
        return read_huggingface(folder, given, weights)
    return _trained(weights, notes, folder, given)


def _trained(weights: Weights, notes: Mapping[str, Any], where: Path, given: Given) -> Reading:
    told = recipe_within(notes, given)
    parts, strange = in_parts(without_buffers(trained(weights, {}, where).weights))
    if strange:
        raise ModelError(
            f"this is no checkpoint of a LLaVA: {listed(strange, 'weights are unknown')}.",
            file=where,
            fix="Give one that xtuner or vlmbench wrote.",
        )
    base = located(given.llm, told.llm, "--llm", "The language model", where)
    seen = located(given.vision, told.vision, "--vision", "The image encoder", where)
    language = trained_language(open_language(base), changed_by(parts["language"], told.llm_alpha, where))
    vision = trained_tower(open_vision(seen), changed_by(parts["vision"], told.vision_alpha, where))
    layer = {} if told.select_layer is None else {"select_layer": told.select_layer}
    llava = whole(language, vision, Projector(weights=parts["projector"]), where, **layer)
    return Reading(llava=llava, sources={"": where, "llm": base, "vision": seen}, template=told.template)


def recipe_within(notes: Mapping[str, Any], given: Given) -> Recipe:
    """What `--recipe` tells, and for the rest the configuration that mmengine keeps in its files."""
    meta = notes.get("meta")
    text = meta.get("cfg") if isinstance(meta, Mapping) else None
    if not isinstance(text, str):
        return given.recipe
    try:
        within = recipe_of(text)
    except SyntaxError:
        return given.recipe
    said = {name: getattr(given.recipe, name) for name in Recipe.__slots__}
    return replace(within, **{name: value for name, value in said.items() if value is not None})
