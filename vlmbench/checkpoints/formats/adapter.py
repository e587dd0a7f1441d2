"""PEFT adapters over a whole LLaVA, and LLaVA's own LoRA folders over a language model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from vlmbench.checkpoints.formats.layout import config_of, layout_of
from vlmbench.checkpoints.formats.official import check_official, picture_use, projector_of, tower_of
from vlmbench.checkpoints.formats.parts import OpenedCheckpoint, Supplied, in_parts, joined, located
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import Llava, Projector
from vlmbench.checkpoints.lora import Adapter, adapter_of, merged, merged_language, merged_tower, open_adapter
from vlmbench.errors import ModelError
from vlmbench.model_files.weights import open_weights

_BESIDES = "non_lora_trainables.bin"
"""Where the LLaVA code keeps the projector that it trained beside a LoRA."""

Opener = Callable[[Path, Supplied], OpenedCheckpoint]


def read_adapter(folder: Path, supplied: Supplied, open_base: Opener) -> OpenedCheckpoint:
    """The adapter's base, as named in the folder or given as `--llm`, with the adapter in it."""
    adapter = open_adapter(folder)
    named = adapter.settings.get("base_model_name_or_path")
    base = located(supplied.llm, named, "--llm", "The model that this adapter was trained on", folder)
    if layout_of(base) != "language":
        opened = open_base(base, replace(supplied, llm=None))
        below = {f"base {role}".strip(): path for role, path in opened.sources.items()}
        return OpenedCheckpoint(llava=adapted(opened.llava, adapter), sources={"": folder} | below)
    if not (folder / _BESIDES).is_file():
        raise ModelError(
            "this adapter is of a language model alone: the projector is missing.",
            file=folder,
            fix="Put it as `llm_adapter` beside the folder `projector`, and give the folder that holds "
            "both; or name the LLaVA it is for: --llm DIR.",
        )
    return _official_lora(folder, adapter, base, supplied)


def adapted(llava: Llava, adapter: Adapter) -> Llava:
    """A whole model with an adapter of any of its parts."""
    parts = in_parts(
        adapter.weights,
        adapter.where,
        what="the adapter is of another base",
        fix="Give the base it was trained on: --llm DIR.",
    )
    language, vision, projector = (
        replace(adapter, weights=parts[name]) for name in ("language", "vision", "projector")
    )
    return replace(
        llava,
        language=merged_language(llava.language, language),
        vision=merged_tower(llava.vision, vision),
        projector=Projector(weights=merged(llava.projector.weights, projector)),
    )


def _official_lora(folder: Path, adapter: Adapter, base: Path, supplied: Supplied) -> OpenedCheckpoint:
    config = config_of(folder)
    if "mm_vision_tower" not in config:
        raise ModelError(
            "the vision tower that this adapter was trained with is named nowhere.",
            file=folder / "config.json",
            key="mm_vision_tower",
            fix="Copy config.json from the adapter's source.",
        )
    check_official(config, folder)
    besides = adapter_of(open_weights(folder / _BESIDES), {}, folder)
    parts = in_parts(besides.weights, folder / _BESIDES)
    place, vision = tower_of(config, parts["vision"], folder, supplied)
    language = merged_language(open_language(base), adapter)
    llava = joined(
        merged_language(language, replace(besides, weights=parts["language"])),
        vision,
        Projector(weights=projector_of(parts["projector"])),
        folder,
        **picture_use(config),
    )
    return OpenedCheckpoint(llava=llava, sources={"": folder, "llm": base, "vision": place})
