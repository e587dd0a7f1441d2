"""PEFT adapters over a whole LLaVA, and LLaVA's own LoRA folders over a language model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vlmbench.checkpoints.fit import listed
from vlmbench.checkpoints.formats.layout import config_of, layout_of
from vlmbench.checkpoints.formats.parts import Given, Reading, located, trained_language, trained_tower, whole
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import Llava, Projector
from vlmbench.checkpoints.lora import Adapter, merged, open_adapter, trained
from vlmbench.checkpoints.read_names import in_parts
from vlmbench.checkpoints.read_official import check_official, projector_of, shown, tower_of
from vlmbench.errors import ModelError
from vlmbench.model_files.shards import open_weights

_BESIDES = "non_lora_trainables.bin"
"""Where the LLaVA code keeps the projector that it trained beside a LoRA."""

Opener = Callable[[Path, Given], Reading]


def read_adapter(folder: Path, given: Given, open_base: Opener) -> Reading:
    """The adapter's base, as named or as `--llm` says, with the adapter in it."""
    adapter = open_adapter(folder)
    named = adapter.settings.get("base_model_name_or_path")
    base = located(given.llm, named, "--llm", "The model that this adapter was trained on", folder)
    if layout_of(base) != "language":
        reading = open_base(base, replace(given, llm=None))
        llava = adapted(reading.llava, adapter)
        below = {f"base {role}".strip(): path for role, path in reading.sources.items()}
        return Reading(llava=llava, sources={"": folder} | below)
    if not (folder / _BESIDES).is_file():
        raise ModelError(
            "this adapter is of a language model alone: the projector is missing.",
            file=folder,
            fix="Lay it down as `llm_adapter` beside the folder `projector`, and give the folder that holds "
            "both; or name the LLaVA it is for: --llm DIR.",
        )
    return _official_lora(folder, adapter, base, given)


def adapted(llava: Llava, adapter: Adapter) -> Llava:
    """A whole model with an adapter of any of its parts."""
    parts, strange = in_parts(adapter.weights)
    if strange:
        raise ModelError(
            f"the adapter is of another base: {listed(strange, 'unknown to a LLaVA')}.",
            file=adapter.where,
            fix="Give the base it was trained on: --llm DIR.",
        )
    spoken, seen, between = (
        replace(adapter, weights=parts[name]) for name in ("language", "vision", "projector")
    )
    return replace(
        llava,
        language=trained_language(llava.language, spoken),
        vision=trained_tower(llava.vision, seen),
        projector=Projector(weights=merged(llava.projector.weights, between)),
    )


def _official_lora(folder: Path, adapter: Adapter, base: Path, given: Given) -> Reading:
    config = config_of(folder)
    if "mm_vision_tower" not in config:
        raise ModelError(
            "nothing says which image encoder this adapter was trained with.",
            file=folder / "config.json",
            key="mm_vision_tower",
            fix="Copy config.json from the adapter's source.",
        )
    check_official(config, folder)
    besides = trained(open_weights(folder / _BESIDES), {}, folder)
    parts, strange = in_parts(besides.weights)
    if strange:
        raise ModelError(
            f"the weights do not fit: {listed(strange, 'unknown to a LLaVA')}.", file=folder / _BESIDES
        )
    place, vision = tower_of(config, parts["vision"], folder, given)
    language = trained_language(open_language(base), adapter)
    llava = whole(
        trained_language(language, replace(besides, weights=parts["language"])),
        vision,
        Projector(weights=projector_of(parts["projector"])),
        folder,
        **shown(config),
    )
    return Reading(llava=llava, sources={"": folder, "llm": base, "vision": place})
