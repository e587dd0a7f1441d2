"""What the readers of all layouts share: parts that the user supplied, names of tensors, the parts joined.

Names of tensors, by layout:

    published   language_model.model.…   language_model.lm_head.…   vision_tower.vision_model.…
    newest      model.language_model.…   lm_head.…                  model.vision_tower.…
    official    model.…                  lm_head.…                  model.vision_tower.vision_tower.…
    xtuner      llm.model.…              llm.lm_head.…              visual_encoder.…
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlmbench.checkpoints.formats.recipe import RecipeFacts, open_recipe
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector, VisionTower
from vlmbench.checkpoints.vision import published
from vlmbench.data.hub.modelscope_models import kept_model
from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.weights import LazyTensor, Weights, listed

Part = Literal["language", "vision", "projector"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """What the user gave besides the checkpoint: models that training began with, the recipe, a template."""

    llm: Path | None = None
    vision: Path | None = None
    recipe: Path | None = None
    template: str | None = None

    @property
    def facts(self) -> RecipeFacts:
        """What the recipe says; a recipe that cannot be read is an error."""
        return RecipeFacts() if self.recipe is None else open_recipe(self.recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedCheckpoint:
    """A model, and the folders and files that its parts came from, by the name of the part."""

    llava: Llava
    sources: Mapping[str, Path]
    """`""` is the checkpoint itself; `llm`, `vision`, `base` and others are what it refers to."""
    template: str | None = None
    """The template that the recipe names."""


_LINEAR = {"1": "0", "2": "2"}
"""transformers' names of the projector's layers, and ours."""


def _linear(found: re.Match[str]) -> str:
    return f"{_LINEAR[found[1]]}.{found[2]}"


def _rest(found: re.Match[str]) -> str:
    return found[1]


def _below_model(found: re.Match[str]) -> str:
    return f"model.{found[1]}"


def _tower(found: re.Match[str]) -> str:
    return published(found[1])


_RULES: tuple[tuple[re.Pattern[str], Part, Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), part, rename)  # type: ignore[misc]
    for pattern, part, rename in (
        (r"(?:model\.)?multi_modal_projector\.linear_([12])\.(.+)", "projector", _linear),
        (r"model\.mm_projector\.(.+)", "projector", _rest),
        (r"projector\.model\.(.+)", "projector", _rest),
        (r"(?:model\.)?vision_tower\.(?:vision_tower\.)?(.+)", "vision", _tower),
        (r"visual_encoder\.(.+)", "vision", _tower),
        (r"llm\.(.+)", "language", _rest),
        (r"(?:model\.)?language_model\.((?:model|lm_head)\..+)", "language", _rest),
        (r"(?:model\.)?language_model\.(.+)", "language", _below_model),
        (r"((?:model|lm_head|output)\..+)", "language", _rest),
    )
)


def placed(name: str) -> tuple[Part, str] | None:
    """The part, and the name in it; None for an unknown name."""
    for pattern, part, rename in _RULES:
        found = pattern.fullmatch(name)
        if found:
            return part, rename(found)
    return None


def in_parts(
    weights: Weights, where: Path, *, what: str = "the weights do not fit", fix: str | None = None
) -> dict[Part, dict[str, LazyTensor]]:
    """The weights of each part; names that are of none are refused."""
    parts: dict[Part, dict[str, LazyTensor]] = {"language": {}, "vision": {}, "projector": {}}
    strange = []
    for name, kept in weights.items():
        found = placed(name)
        if found is None:
            strange.append(name)
        else:
            parts[found[0]][found[1]] = kept
    if strange:
        raise ModelError(f"{what}: {listed(strange, 'unknown to a LLaVA')}.", file=where, fix=fix)
    return parts


def joined(
    language: LanguageModel,
    vision: VisionTower,
    projector: Projector,
    where: Path,
    **settings: Any,
) -> Llava:
    """The LLaVA of these parts, once they fit each other."""
    _check_projector(projector, vision, language, where)
    if vision.is_siglip:
        settings.setdefault("select_strategy", "full")
    return Llava(language=language, vision=vision, projector=projector, **settings)


def _check_projector(projector: Projector, vision: VisionTower, language: LanguageModel, where: Path) -> None:
    """Refuse a tower or a language model of another size than the projector was trained between."""
    weights = projector.weights
    layers = range(0, 2 * projector.depth, 2)
    known = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    if not layers or not weights.keys() <= known or any(f"{layer}.weight" not in weights for layer in layers):
        raise ModelError(
            f"the projector is not a stack of linear layers: {listed(weights.keys(), 'tensors')}."
            if weights
            else "the projector is missing.",
            file=where,
            fix="Give a checkpoint of which the projector is part.",
        )
    shapes = [weights[f"{layer}.weight"].shape for layer in layers]
    takes, makes = shapes[0][-1], shapes[-1][0]
    tower, llm = int(vision.config["hidden_size"]), int(language.config["hidden_size"])
    if takes != tower:
        raise ModelError(
            f"the projector takes vectors of {takes} numbers, and the vision tower makes {tower}.",
            file=where,
            fix="Give the vision tower it was trained with: --vision DIR.",
        )
    if makes != llm:
        raise ModelError(
            f"the projector makes vectors of {makes} numbers, and the language model takes {llm}.",
            file=where,
            fix="Give the language model it was trained with: --llm DIR.",
        )


def located(given: Path | None, named: object, flag: str, what: str, where: Path) -> Path:
    """The folder of a part: as given, or as named by the checkpoint if that is on this machine."""
    if given is not None:
        return given
    found = on_this_machine(named, where) if isinstance(named, str) and named else None
    if found is not None:
        return found
    known = f" It was trained with `{named}`, which is not on this machine." if named else ""
    raise ModelError(
        f"{what} is not part of this checkpoint.{known}", file=where, fix=f"Give its folder: {flag} DIR."
    )


def on_this_machine(name: str, where: Path) -> Path | None:
    """A folder by its path (also beside the checkpoint), or a model of the hub that was downloaded once."""
    beside = where if where.is_dir() else where.parent
    for folder in (Path(name), beside / name):
        # The name in a checkpoint may be anything, even too long for a path.
        with suppress(OSError):
            if (folder / "config.json").is_file():
                return folder
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "config.json")
    except HFValidationError:  # ms:OWNER/NAME too
        return kept_model(name) if name.startswith("ms:") else None
    return Path(cached).parent if isinstance(cached, str) else kept_model(name)


def refuse_own(flag: Path | None, name: str, what: str, where: Path) -> None:
    """Refuse a flag for a part that the checkpoint has itself."""
    if flag is not None and flag.resolve() != where.resolve():
        raise UserError(
            f"this checkpoint has {what} of its own.", file=where, key=name, fix=f"Leave {name} out."
        )
