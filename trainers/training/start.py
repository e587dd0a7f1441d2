"""The model that a recipe starts from, before its first step: a `Llava` with lazy weights, and its tokenizer.

Its chat template is made from the recipe's wording, so that it is asked later in the words it was trained in.
"""

from __future__ import annotations

import json
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
from vlmbench.checkpoints.wording import BOS, adds_bos, with_bos, with_template
from vlmbench.errors import ModelError, UserError
from vlmbench.model_files.folder import local_folder
from vlmbench.model_files.weights import in_memory
from vlmbench.templates import Turn, chat_template, template
from vlmbench.trainers.data.dataset import style_of
from vlmbench.trainers.data.tokenizer import PieceTokenizer, from_transformers
from vlmbench.trainers.plan.sizes import folder_of
from vlmbench.trainers.recipe.model import Recipe, Wording
from vlmbench.trainers.training.job import left_by

_QUESTION = "What is this?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The model before its first step."""

    llava: Llava
    tokenizer: PieceTokenizer
    sources: Mapping[str, Path]
    """The folder of each part."""

    def facts(self) -> dict[str, Any]:
        """What a checkpoint must know to be opened without the recipe."""
        sources = {role: str(place.absolute()) for role, place in self.sources.items()}
        return {"sources": sources, "generation": dict(self.llava.language.generation)}

    def write_wording(self, folder: Path) -> None:
        """The chat template, as a folder holds it."""
        text = with_bos(self.llava.chat_template or "", self.llava.language.tokenizer)
        (folder / "chat_template.jinja").write_text(text, "utf-8")


def read_start(recipe: Recipe, work_dir: Path) -> Start:
    """What the stage before left, else the whole model, else the parts that the recipe names."""
    if recipe.pretrained is not None:
        start = _of_whole(model_before(recipe.pretrained, work_dir), recipe)
    elif recipe.model.start is not None:
        start = _of_whole(_folder(recipe.model.start), recipe)
    else:
        start = _of_parts(recipe)
    return replace(start, llava=worded(start.llava, recipe.wording))


def model_before(named: str, work_dir: Path) -> Path:
    """The model that the stage before left; raises UserError where there is none."""
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
    """Missing, unknown and misshapen weights raise an error that lists them."""
    parts = recipe.model
    # These hold trained parameters only; whatever else a folder holds has precedence.
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
    """The projector was trained on one hidden state of the tower, and cannot read another."""
    wanted = recipe.model.vision
    states = int(llava.vision.settings().num_hidden_layers) + 1
    same_tokens = wanted.select_strategy == llava.select_strategy or llava.vision.is_siglip
    values: dict[str, tuple[Any, Any, bool]] = {
        "select_layer": (
            llava.select_layer,
            wanted.select_layer,
            llava.select_layer % states == wanted.select_layer % states,
        ),
        "select_strategy": (llava.select_strategy, wanted.select_strategy, same_tokens),
    }
    for name, (held, asked, same) in values.items():
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
    """Parts that the recipe marks `fresh`, drawn anew from its seed."""
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
    """The drawn weights under the names that the model had: a tied head stays left out."""
    absent = wanted.keys() - drawn.keys()
    if absent:
        raise ModelError(f"{len(absent)} weights cannot be drawn anew: {', '.join(sorted(absent)[:3])}, …")
    return {name: drawn[name] for name in wanted}


def worded(llava: Llava, wording: Wording) -> Llava:
    """The model with the recipe's chat template; its own stays where it gives the same text."""
    spoken = _spoken(llava, wording)
    return spoken if wording.bos == "none" else _begun(spoken)


def _begun(llava: Llava) -> Llava:
    """Begin conversations with the token they had in training, where the tokenizer adds none."""
    tokenizer, chat = llava.language.tokenizer, llava.chat_template or ""
    if adds_bos(tokenizer) or not from_transformers(tokenizer).bos or "bos_token" in chat:
        return llava
    return replace(llava, chat_template=BOS + chat)


def _spoken(llava: Llava, wording: Wording) -> Llava:
    if llava.chat_template is not None and _asks(llava) == _wanted(wording):
        return llava
    chosen = template(wording.template)
    if wording.separator is not None:
        chosen = replace(chosen, separator=wording.separator)
    return replace(
        with_template(llava, wording.template), chat_template=_opening(wording) + chat_template(chosen)
    )


def _asks(llava: Llava) -> str:
    """One question in the model's own template."""
    tokenizer: Any = llava.language.tokenizer
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _QUESTION}]}
    text: str = tokenizer.apply_chat_template(
        [message], chat_template=llava.chat_template, tokenize=False, add_generation_prompt=True
    )
    return text.removeprefix(tokenizer.bos_token or "")


def _wanted(wording: Wording) -> str:
    style = style_of(replace(wording, keep="all"))
    return style.question(Turn(question=f"<image>\n{_QUESTION}", answer=None), 1)


def _opening(wording: Wording) -> str:
    """Text before the first question, unless a conversation has a system text of its own."""
    system = ""
    if wording.system:
        known = template(wording.template).system or ""
        system = known.replace("{system}", wording.system)
    text = wording.preamble + system
    if not text:
        return ""
    quoted = json.dumps(text, ensure_ascii=False)
    return "{%- if messages[0]['role'] != 'system' -%}{{ " + quoted + " }}{%- endif -%}"
