"""From a name or a file to a `Chain` of frozen stages.

read("llava_v15_7b_pretrain")                          a shipped recipe
read("mine.yaml", ["schedule.lr=1e-4"])                a file of one's own, one value changed
read("llava_v15_7b", ["finetune.schedule.batch=8"])    a chain; the change is for its finetune stage
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vlmbench.errors import UnknownName, UsageError, UserError
from vlmbench.trainers.recipe.consistency import Origin, check_consistency
from vlmbench.trainers.recipe.library import FOLDER, RecipeEntry, own, recipe_names, shipped
from vlmbench.trainers.recipe.model import Chain, Evaluation, Recipe
from vlmbench.trainers.recipe.typed import PLACE, changed, checked, made, merged, split

CHAIN_KEYS = ("name", "about", "stages")
STAGES = ("pretrain", "finetune")


def read(name: str, settings: Sequence[str] = ()) -> Chain:
    """The chain of that name or file, with every setting applied; a plain recipe is a chain of one."""
    entry = find(name)
    values = dict(entry.values)
    if "stages" not in values:
        recipe = _recipe(entry, [split(s) for s in settings])
        _refuse_absent_stages(name, (recipe,), settings)
        return Chain(name=recipe.name, about=recipe.about, stages=(recipe,))
    for key in values:
        if key not in CHAIN_KEYS:
            raise UnknownName("key", key, CHAIN_KEYS, fix=f"({entry.where}, a chain of stages)")
    items = values["stages"]
    if not isinstance(items, list) or not items:
        raise UserError("must be a list of recipes, one at least.", file=entry.where, key="stages")
    stages = _stages(entry, items, [split(setting) for setting in settings])
    _refuse_absent_stages(name, stages, settings)
    return Chain(name=entry.name, about=str(values.get("about", "")), stages=stages)


def read_recipe(name: str, settings: Sequence[str] = ()) -> Recipe:
    """One stage; a chain is refused."""
    chain = read(name, settings)
    if len(chain.stages) != 1 or not chain.recipes:
        parts = ", ".join(recipe.name for recipe in chain.recipes)
        raise UsageError(f"`{name}` is a chain of stages and not one recipe.", fix=f"Name one of {parts}.")
    return chain.recipes[0]


def find(name: str) -> RecipeEntry:
    """The entry of a shipped name, or of a YAML file."""
    if name.endswith(".py"):
        raise UsageError(
            "is a configuration in Python, as xtuner has them.",
            file=name,
            fix=f"`vlmbench recipes import {name}` makes a recipe of it: {Path(name).with_suffix('.yaml')}.",
        )
    if name.endswith((".yaml", ".yml")):
        path = Path(name).expanduser()
        if not path.is_file():
            raise UsageError("there is no such file.", file=path, fix="See `vlmbench recipes list`.")
        return own(path)
    if name not in recipe_names():
        raise UnknownName("recipe", name, recipe_names(), fix="See `vlmbench recipes list`.")
    return shipped()[name]


def read_values(values: Mapping[str, Any], file: Path) -> Chain:
    """The recipe of these values, which a file of one's own would have."""
    entry = RecipeEntry(name=str(values.get("name") or file.stem), file=file, values=values)
    recipe = _recipe(entry, [])
    return Chain(name=recipe.name, about=recipe.about, stages=(recipe,))


def plain(chain: Chain) -> dict[str, Any]:
    """Every value of a chain, as YAML and JSON have it; `made` gives the chain back."""
    alone = len(chain.stages) == 1 and bool(chain.recipes)
    document: dict[str, Any] = _lists(asdict(chain.recipes[0] if alone else chain))
    return document


def written(chain: Chain) -> str:
    """Every value as YAML; reading it gives the same chain."""
    import yaml

    text: str = yaml.safe_dump(plain(chain), sort_keys=False, allow_unicode=True, width=110)
    return text


def _stages(
    entry: RecipeEntry, items: list[Any], asked: list[tuple[list[str], str]]
) -> tuple[Recipe | Evaluation, ...]:
    """Each stage begins with what the one before left, unless it is the first."""
    found: list[Recipe | Evaluation] = []
    before: str | None = None
    for place, item in enumerate(items):
        stage = _stage(entry, item, f"stages.{place}", asked)
        if isinstance(stage, Recipe):
            stage = replace(stage, pretrained=before or stage.pretrained)
            before = stage.name
        elif before is None:
            raise UserError("there is nothing yet to evaluate.", file=entry.where, key=f"stages.{place}")
        found.append(stage)
    return tuple(found)


def _refuse_absent_stages(name: str, stages: Sequence[Recipe | Evaluation], settings: Sequence[str]) -> None:
    here = {stage.stage for stage in stages if isinstance(stage, Recipe)}
    for setting in settings:
        prefix = split(setting)[0][0]
        if prefix in STAGES and prefix not in here:
            raise UsageError(f"`{name}` has no {prefix} stage.", key=PLACE)


def _stage(
    entry: RecipeEntry, item: Any, key: str, asked: list[tuple[list[str], str]]
) -> Recipe | Evaluation:
    if isinstance(item, Mapping) and "evaluate" in item:
        # YAML reads `on` and `off` as truth values.
        words = {"thinking": "on" if item["thinking"] else "off"} if _is_switch(item) else {}
        return made(Evaluation, checked(Evaluation, {**item, **words}, entry.where, key), entry.where, key)
    if isinstance(item, str):
        inner = find(item)
        if "stages" in inner.values:
            raise UserError(f"`{item}` is a chain itself.", file=entry.where, key=key)
    elif isinstance(item, Mapping):
        inner = RecipeEntry(name=str(item.get("name") or f"{entry.name}_{key}"), file=entry.file, values=item)
    else:
        raise UserError("must be a recipe's name or a mapping.", file=entry.where, key=key)
    return _recipe(inner, asked)


def _is_switch(item: Mapping[str, Any]) -> bool:
    return isinstance(item.get("thinking"), bool)


def _recipe(entry: RecipeEntry, asked: list[tuple[list[str], str]]) -> Recipe:
    written = values = {**_resolved(entry, ()), "name": entry.name}
    reached: list[str] = []
    for path, text in asked:
        if path[0] in STAGES and (len(path) == 1 or path[0] != values.get("stage")):
            continue
        inner = path[1:] if path[0] in STAGES else path
        values = changed(Recipe, values, inner, text)
        reached.append(".".join(inner))
    origin = Origin(where=entry.where, asked=tuple(reached), shipped=entry.file.parent == FOLDER)
    try:
        recipe = made(Recipe, values, entry.where)
    except UserError as error:
        if error.key is None or not _new(written, error.key):
            raise
        raise origin.error(error.what, error.key, of=(error.key.rpartition(".")[0],)) from None
    check_consistency(recipe, origin)
    return recipe


def _new(written: Mapping[str, Any], key: str) -> bool:
    """Whether this key is below a part that no file has."""
    below: Any = written
    for name in key.split(".")[:-1]:
        below = below.get(name) if isinstance(below, Mapping) else None
    return below is None


def _resolved(entry: RecipeEntry, below: tuple[RecipeEntry, ...]) -> dict[str, Any]:
    """The bases of an entry under its own values.

    A file of one's own may be named as the recipe that it is based on.
    """
    if any((entry.file.resolve(), entry.name) == (one.file.resolve(), one.name) for one in below):
        circle = " -> ".join(one.name for one in (*below, entry))
        raise UserError(f"is its own base: {circle}.", file=entry.where, key="base")
    layer = {key: value for key, value in entry.values.items() if key not in ("base", "name")}
    values: dict[str, Any] = {}
    for base in _bases(entry):
        values = merged(values, _resolved(_base(entry, base), (*below, entry)))
    return merged(values, checked(Recipe, layer, entry.where))


def _bases(entry: RecipeEntry) -> list[str]:
    named = entry.values.get("base") or []
    bases = [named] if isinstance(named, str) else named
    if not isinstance(bases, list) or not all(isinstance(base, str) for base in bases):
        raise UserError("must be a recipe's name or a list of names.", file=entry.where, key="base")
    return bases


def _base(entry: RecipeEntry, name: str) -> RecipeEntry:
    if name.endswith((".yaml", ".yml")):
        return own(entry.file.parent / name)
    if name not in shipped():
        raise UnknownName("base", name, shipped(), fix=f"({entry.where}, `base`)")
    return shipped()[name]


def _lists(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, list | tuple) else value
