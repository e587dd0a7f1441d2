"""What a recipe begins with: a whole LLaVA as one noun, its weights on disk, and its tokenizer for pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vlmbench.checkpoints.build import untrained, with_image_token
from vlmbench.checkpoints.formats.layout import config_of, guess
from vlmbench.checkpoints.formats.parts import Supplied
from vlmbench.checkpoints.language import open_language
from vlmbench.checkpoints.llava import LanguageModel, Llava, VisionTower
from vlmbench.checkpoints.read import open_llava, read_checkpoint
from vlmbench.checkpoints.vision import open_vision, published
from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.folder import local_folder
from vlmbench.model_files.weights import in_memory
from vlmbench.trainers.data.tokenizing import PieceTokenizer, from_transformers
from vlmbench.trainers.plan.sizes import folder_of
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.previous_stage import left_by
from vlmbench.trainers.training.wording import worded


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The model before its first step."""

    llava: Llava
    tokenizer: PieceTokenizer
    sources: Mapping[str, Path]
    """Where its parts came from."""


def begin(recipe: Recipe, work_dir: Path) -> Start:
    """The stage before, a whole model, or the parts: whichever the recipe names first."""
    if recipe.pretrained is not None:
        start = _of_whole(before(recipe.pretrained, work_dir), recipe)
    elif recipe.model.start is not None:
        start = _of_whole(_folder(recipe.model.start), recipe)
    else:
        start = _of_parts(recipe)
    return replace(start, llava=worded(start.llava, recipe.wording))


def before(named: str, work_dir: Path) -> Path:
    """What the stage before left."""
    found = left_by(named, work_dir)
    if found is not None:
        return found
    path = Path(named).expanduser()
    raise UserError(
        "the stage before has left no finished model here.",
        file=path if path.exists() else work_dir.parent / named,
        fix=f"vlmbench train {named}, or --set pretrained=FOLDER.",
    )


def _of_whole(path: Path, recipe: Recipe) -> Start:
    """Every weight is accounted for: what is missing, unknown or of another shape is listed."""
    parts = recipe.model
    # Only what was trained is in these; what a folder holds besides wins.
    partial = path.is_file() or guess(path) in ("deepspeed", "xtuner")
    llm = _folder(parts.language.path) if partial and parts.language.path else None
    tower = _folder(parts.vision.path) if partial and parts.vision.path else None
    template = recipe.wording.template if llm else None
    opened = read_checkpoint(path, Supplied(llm=llm, vision=tower, template=template))
    places = [place for role in ("", "base", "llm") if (place := opened.sources.get(role)) is not None]
    tokenizer = _pieces(opened.llava.language.tokenizer, *places)
    _refuse_other_view(opened.llava, recipe, path)
    llava = with_image_token(_fresh(opened.llava, recipe), seed=recipe.seed)
    return Start(llava=llava, tokenizer=tokenizer, sources=opened.sources)


def _refuse_other_view(llava: Llava, recipe: Recipe, path: Path) -> None:
    """A model was made for one of its tower's hidden states, and another would be new to it."""
    wanted = recipe.model.vision
    states = int(llava.vision.settings().num_hidden_layers) + 1
    same_tokens = wanted.select_strategy == llava.select_strategy or llava.vision.is_siglip
    said: dict[str, tuple[Any, Any, bool]] = {
        "select_layer": (
            llava.select_layer,
            wanted.select_layer,
            llava.select_layer % states == wanted.select_layer % states,
        ),
        "select_strategy": (llava.select_strategy, wanted.select_strategy, same_tokens),
    }
    for name, (held, asked, same) in said.items():
        if not same:
            key = f"model.vision.{name}"
            raise UserError(
                f"is {held} in this model, and {asked} in the recipe.",
                file=path,
                key=key,
                fix=f"--set {key}={held} trains it as it is.",
            )


def _of_parts(recipe: Recipe) -> Start:
    model = recipe.model
    if model.language.path is None or model.vision.path is None:
        raise UserError("names neither a whole model nor both its parts.", key="model")
    llm, tower = _folder(model.language.path), _folder(model.vision.path)
    language, vision = _language(llm), _vision(tower)
    tokenizer = _pieces(language.tokenizer, llm)
    llava = untrained(
        language,
        vision,
        template=recipe.wording.template,
        select_layer=model.vision.select_layer,
        seed=recipe.seed,
    )
    # A SigLIP tower has no class token to leave out.
    strategy = "full" if vision.is_siglip else model.vision.select_strategy
    llava = replace(llava, square=recipe.data.square, select_strategy=strategy)
    return Start(llava=_fresh(llava, recipe), tokenizer=tokenizer, sources={"llm": llm, "vision": tower})


def _folder(named: str) -> Path:
    """A folder as named, `demo`, or a model of the hub."""
    here = folder_of(named)
    return here if here.exists() else local_folder(named)


def _language(folder: Path) -> LanguageModel:
    whole = "text_config" in config_of(folder)
    return open_llava(folder).language if whole else open_language(folder)


def _vision(folder: Path) -> VisionTower:
    whole = "text_config" in config_of(folder) and config_of(folder).get("model_type") == "llava"
    return open_llava(folder).vision if whole else open_vision(folder)


def _pieces(tokenizer: Any, *folders: Path) -> PieceTokenizer:
    files = [folder / "tokenizer.json" for folder in folders]
    return from_transformers(tokenizer, next((file for file in files if file.is_file()), None))


def _fresh(llava: Llava, recipe: Recipe) -> Llava:
    """Parts that the recipe wants anew, drawn from its seed."""
    if recipe.pretrained is not None:
        return llava
    if recipe.model.language.fresh:
        llava = replace(llava, language=_drawn_language(llava.language, recipe.seed))
    if recipe.model.vision.fresh:
        llava = replace(llava, vision=_drawn_vision(llava.vision, recipe.seed))
    return llava


def _drawn_language(language: LanguageModel, seed: int) -> LanguageModel:
    from transformers import AutoConfig, AutoModelForCausalLM

    config = dict(language.config)
    made = AutoConfig.for_model(config.pop("model_type"), **_plain(config))
    auto: Any = AutoModelForCausalLM
    drawn = _drawn(lambda: auto.from_config(made), seed)
    return replace(language, weights=in_memory(_like(drawn, language.weights)))


def _drawn_vision(vision: VisionTower, seed: int) -> VisionTower:
    from transformers import AutoConfig, AutoModel

    config = dict(vision.config)
    made = AutoConfig.for_model(config.pop("model_type"), **_plain(config))
    auto: Any = AutoModel
    drawn = {published(name): tensor for name, tensor in _drawn(lambda: auto.from_config(made), seed).items()}
    return replace(vision, weights=in_memory(_like(drawn, vision.weights)))


def _plain(config: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("dtype", "torch_dtype", "architectures", "transformers_version")
    return {key: value for key, value in config.items() if key not in kept}


def _drawn(make: Any, seed: int) -> dict[str, Any]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        state: dict[str, Any] = make().float().state_dict()
    return state


def _like(drawn: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Those that the model had; a tied head is left out as it was."""
    absent = wanted.keys() - drawn.keys()
    if absent:
        raise ModelError(f"{len(absent)} weights cannot be drawn anew: {', '.join(sorted(absent)[:3])}, …")
    return {name: drawn[name] for name in wanted}
