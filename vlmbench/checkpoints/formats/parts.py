"""What the readers of all layouts share: what is given, where a part is, and the whole made of parts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.fit import listed, without_buffers
from vlmbench.checkpoints.formats.recipe import Recipe
from vlmbench.checkpoints.llava import LanguageModel, Llava, Projector, VisionTower
from vlmbench.checkpoints.lora import Adapter, fitted, merged, trained
from vlmbench.checkpoints.native.skeleton import fitted as fitted_to_class
from vlmbench.checkpoints.native.skeleton import skeleton
from vlmbench.checkpoints.vision import completed
from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.folder import read_json
from vlmbench.model_files.silence import first_line, quiet
from vlmbench.model_files.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user gave besides the path."""

    llm: Path | None = None
    vision: Path | None = None
    template: str | None = None
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A model, and the folders and files it was read from, each by the part it plays."""

    llava: Llava
    sources: Mapping[str, Path]
    template: str | None = None
    """The wording that the recipe names."""


def whole(
    language: LanguageModel,
    vision: VisionTower,
    projector: Projector,
    where: Path,
    **settings: Any,
) -> Llava:
    """The LLaVA of these parts, once they fit each other."""
    check_projector(projector, vision, language, where)
    if vision.config["model_type"] == "siglip_vision_model":
        settings.setdefault("select_strategy", "full")
    return Llava(language=language, vision=vision, projector=projector, **settings)


def check_projector(projector: Projector, vision: VisionTower, language: LanguageModel, where: Path) -> None:
    """Refuse a tower or a language model of another size than the projector was trained between."""
    weights = projector.weights
    layers = range(0, 2 * projector.depth, 2)
    known = {f"{layer}.{kind}" for layer in layers for kind in ("weight", "bias")}
    if not layers or not weights.keys() <= known or any(f"{layer}.weight" not in weights for layer in layers):
        raise ModelError(
            f"the projector is no row of linear layers: {listed(weights.keys(), 'tensors')}."
            if weights
            else "the projector is missing.",
            file=where,
            fix="Give a checkpoint of which the projector is part.",
        )
    shapes = [weights[f"{layer}.weight"].shape for layer in layers]
    seen, made = shapes[0][-1], shapes[-1][0]
    tower, spoken = int(vision.config["hidden_size"]), int(language.config["hidden_size"])
    if seen != tower:
        raise ModelError(
            f"the projector takes vectors of {seen} numbers, and the image encoder makes {tower}.",
            file=where,
            fix="Give the image encoder it was trained with: --vision DIR.",
        )
    if made != spoken:
        raise ModelError(
            f"the projector makes vectors of {made} numbers, and the language model takes {spoken}.",
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
        # What a checkpoint says may be anything, even too long for a path.
        with suppress(OSError):
            if (folder / "config.json").is_file():
                return folder
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        cached = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(cached).parent if isinstance(cached, str) else None


def refuse(flag: Path | None, name: str, what: str, where: Path) -> None:
    """A part that the checkpoint has itself cannot be given besides."""
    if flag is not None and flag.resolve() != where.resolve():
        raise UserError(
            f"this checkpoint has {what} of its own.", file=where, key=name, fix=f"Leave {name} out."
        )


def language_of(config: Mapping[str, Any], weights: Weights, folder: Path) -> LanguageModel:
    """The language model inside a LLaVA folder, as transformers' own class."""
    from transformers import AutoConfig

    kind = config.get("model_type")
    auto: Any = AutoConfig
    full = completed(
        lambda **settings: auto.for_model(kind, **settings),
        {key: value for key, value in config.items() if key not in ("model_type", "_name_or_path")},
        folder,
    )
    full |= {"model_type": kind, "architectures": [_causal(str(kind), folder)]}
    try:
        fitting = fitted_to_class(without_buffers(weights), skeleton(full))
    except ModelError as error:
        raise ModelError(error.what, file=error.file or folder, key=error.key, fix=error.fix) from None
    file = folder / "generation_config.json"
    return LanguageModel(
        config=full,
        weights=fitting,
        tokenizer=tokenizer_of(folder, full),
        generation=read_json(file) if file.is_file() else {},
    )


def _causal(kind: str, folder: Path) -> str:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    found = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(kind)
    if found is None:
        raise ModelError(
            f"`{kind}` is no language model that transformers has.",
            file=folder / "config.json",
            key="model_type",
            fix="Copy config.json from the model's source.",
        )
    return str(found)


def tokenizer_of(folder: Path, config: Mapping[str, Any]) -> Any:
    """The tokenizer of a folder whose config.json transformers need not know."""
    from transformers import AutoConfig, AutoTokenizer

    auto, configs = _any(AutoTokenizer), _any(AutoConfig)
    try:
        with quiet():
            settings = configs.for_model(config["model_type"])
            return auto.from_pretrained(folder, config=settings, trust_remote_code=False)
    # tokenizers raises bare Exception for a broken file.
    except Exception as error:
        raise ModelError(
            f"the tokenizer cannot be loaded ({first_line(error)}).",
            file=folder,
            fix="Copy the tokenizer's files from the model's source.",
        ) from None


def _any(kind: Any) -> Any:
    return kind


def trained_language(base: LanguageModel, adapter: Adapter) -> LanguageModel:
    """The language model with an adapter in it, whichever naming of it the adapter speaks."""
    return replace(base, weights=merged(base.weights, fitted(adapter, base.config)))


def trained_tower(base: VisionTower, adapter: Adapter) -> VisionTower:
    """The tower with an adapter in it."""
    return replace(base, weights=merged(base.weights, adapter))


def changed_by(weights: Weights, alpha: float | None, where: Path) -> Adapter:
    """A part's trained tensors, whole ones and pairs, of a checkpoint that has no adapter_config.json."""
    return trained(weights, {} if alpha is None else {"lora_alpha": alpha}, where)
