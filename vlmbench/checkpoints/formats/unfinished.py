"""What `vlmbench train` leaves on its way: the trained parameters, on the models that training began with.

checkpoint-STEP/
    trained.safetensors   every trained parameter in float32, also of a training under DeepSpeed
    facts.json            the recipe's values, and under `start` where the rest of the model lies
    chat_template.jinja   the wording of the training
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.build import untrained, with_image_token
from vlmbench.checkpoints.formats.adapter import adapted
from vlmbench.checkpoints.formats.layout import TRAINED, guess
from vlmbench.checkpoints.formats.parts import OpenedCheckpoint, Supplied, located
from vlmbench.checkpoints.formats.recipe import RecipeFacts, facts_of_values
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import Llava
from vlmbench.checkpoints.lora import adapter_of
from vlmbench.checkpoints.vision import open_vision
from vlmbench.checkpoints.wording import with_template
from vlmbench.errors import ModelError
from vlmbench.files.json_files import read_object
from vlmbench.model_files.weights import LazyTensor, Weights, cast, open_weights

FACTS = "facts.json"

Opener = Callable[[Path, Supplied], OpenedCheckpoint]


def read_unfinished(folder: Path, supplied: Supplied, open_base: Opener) -> OpenedCheckpoint:
    """The model that training would have left, had it ended at this checkpoint."""
    held = _facts_of(folder)
    values, start = held["values"], held.get("start") or {}
    _refuse_drawn(values["model"], folder)
    facts = facts_of_values(values)
    opened = _began_with(folder, supplied, values, start.get("sources") or {}, open_base)
    llava = opened.llava if facts.template is None else with_template(opened.llava, facts.template)
    if "generation" in start:
        llava = replace(llava, language=replace(llava.language, generation=start["generation"]))
    llava = with_image_token(llava, seed=int(values.get("seed", 0)))
    done = with_trained(llava, open_weights(folder / TRAINED), facts, folder)
    sources = {f"base {role}".strip(): place for role, place in opened.sources.items()}
    return OpenedCheckpoint(
        llava=replace(done, square=bool(values["data"].get("square", True))),
        sources={"": folder} | sources,
        template=facts.template,
    )


def with_trained(llava: Llava, tensors: Weights, facts: RecipeFacts, where: Path) -> Llava:
    """The model that training began with and what it trained; each weight keeps the dtype that it had.

    Adapters are merged. The projector stays as it was trained, in float32.
    """
    settings: dict[str, Any] = {"lora_alpha": 1 if facts.llm_alpha is None else facts.llm_alpha}
    if facts.vision_alpha is not None:
        settings["alpha_pattern"] = {r"vision_model\..*": facts.vision_alpha}
    done = adapted(llava, adapter_of(tensors, settings, where))
    return replace(
        done,
        language=replace(done.language, weights=_as_before(done.language.weights, llava.language.weights)),
        vision=replace(done.vision, weights=_as_before(done.vision.weights, llava.vision.weights)),
    )


def _as_before(weights: Weights, before: Weights) -> dict[str, LazyTensor]:
    return {
        name: kept if kept.dtype == before[name].dtype else cast({name: kept}, before[name].dtype)[name]
        for name, kept in weights.items()
    }


def _facts_of(folder: Path) -> dict[str, Any]:
    if not (folder / FACTS).is_file():
        raise ModelError(
            "this file is missing, so the checkpoint is not complete.",
            file=folder / FACTS,
            fix="Copy the whole folder, or take the checkpoint before it.",
        )
    held = read_object(folder / FACTS, raises=ModelError, fix="Copy the folder again.")
    values, start = held.get("values"), held.get("start") or {}
    if not isinstance(values, dict) or not all(isinstance(values.get(n), dict) for n in ("data", "model")):
        raise ModelError("the values of the recipe are missing.", file=folder / FACTS, key="values")
    sources = (start.get("sources") or {}) if isinstance(start, dict) else None
    if not isinstance(sources, dict) or not all(isinstance(place, str) for place in sources.values()):
        raise ModelError("this is no list of what training began with.", file=folder / FACTS, key="start")
    return held


def _refuse_drawn(model: Mapping[str, Any], folder: Path) -> None:
    """A part that was drawn from the seed and not trained whole is in no file."""
    for part in ("language", "vision"):
        about = model.get(part) or {}
        if not isinstance(about, dict):
            raise ModelError(
                f"the {part} part of the recipe has no values.", file=folder / FACTS, key="values"
            )
        if about.get("fresh") and about.get("train") != "full":
            raise ModelError(
                f"the {part} part was drawn anew for this training and is in no file.",
                file=folder,
                fix="`vlmbench train … --resume` finishes the training, which writes the whole model.",
            )


def _began_with(
    folder: Path,
    supplied: Supplied,
    values: Mapping[str, Any],
    kept: Mapping[str, str],
    open_base: Opener,
) -> OpenedCheckpoint:
    """What training began with: a whole model or two parts, where it noted them or where a flag says."""
    facts = facts_of_values(values)

    def place(role: str, given: Path | None, named: str | None, what: str) -> Path:
        noted = kept.get(role)
        if given is None and noted is not None and Path(noted).exists():
            return Path(noted)
        return located(given, named or noted, "--vision" if role == "vision" else "--llm", what, folder)

    named = values["model"].get("start")
    if "" in kept or (not kept and named):
        whole = place("", supplied.llm, named, "The model that training began with")
        partial = whole.is_file() or guess(whole) in ("deepspeed", "xtuner")
        llm, tower = (Path(kept[role]) if partial and role in kept else None for role in ("llm", "vision"))
        return open_base(whole, Supplied(llm=llm, vision=tower))
    parts = {
        "llm": place("llm", supplied.llm, facts.llm, "The language model"),
        "vision": place("vision", supplied.vision, facts.vision, "The vision tower"),
    }
    return OpenedCheckpoint(llava=_joined(parts, facts, values, open_base), sources=parts)


def _joined(
    parts: Mapping[str, Path], facts: RecipeFacts, values: Mapping[str, Any], open_base: Opener
) -> Llava:
    """Two parts as the training joined them; each may be one of a whole LLaVA."""
    whole = {role: guess(place) not in ("language", "vision") for role, place in parts.items()}
    opened = {role: open_base(parts[role], Supplied()).llava for role in parts if whole[role]}
    language = opened["llm"].language if whole["llm"] else open_language(parts["llm"])
    vision = opened["vision"].vision if whole["vision"] else open_vision(parts["vision"])
    llava = untrained(
        language,
        vision,
        template=facts.template,
        select_layer=-2 if facts.select_layer is None else facts.select_layer,
        seed=int(values.get("seed", 0)),
    )
    wanted = str((values["model"].get("vision") or {}).get("select_strategy", "default"))
    return replace(llava, select_strategy="full" if vision.is_siglip else wanted)
