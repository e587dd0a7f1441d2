"""The recipes that ship here: `recipes/*.yaml`, each file a family.

A file maps names to recipes. A name that starts with `_` is a fragment: never listed, only named by
`base:`. A recipe is its bases, the later over the earlier, under its own keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError

FOLDER = Path(__file__).parents[1] / "recipes"
DEEPEST = 100
"""Levels of a file; a recipe has a handful."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeEntry:
    """What stands under one name, as written."""

    name: str
    file: Path
    values: Mapping[str, Any]

    @property
    def where(self) -> str:
        """For an error: the file and the name inside it."""
        return f"{self.file.name}: {self.name}" if self.file.parent == FOLDER else str(self.file)


@cache
def shipped() -> dict[str, RecipeEntry]:
    """Every entry of every family file, fragments among them."""
    found: dict[str, RecipeEntry] = {}
    for file in sorted(FOLDER.glob("*.yaml")):
        for name, values in load(file).items():
            if name in found:
                raise UserError(f"`{name}` stands in {found[name].file.name}, too.", file=file)
            found[name] = RecipeEntry(name=name, file=file, values=_mapping(values, file, name))
    return found


def recipe_names() -> list[str]:
    """Every recipe and chain that can be named, in the order of their families."""
    return [name for name in shipped() if not name.startswith("_")]


def own(file: Path) -> RecipeEntry:
    """A file of the user's own: one recipe or chain."""
    values = load(file)
    return RecipeEntry(name=str(values.get("name") or file.stem), file=file, values=values)


def load(file: Path) -> dict[str, Any]:
    """A YAML mapping; a key that stands twice in one place is a mistake, which YAML itself would hide."""
    import yaml

    try:
        text = file.read_text("utf-8")
        _refuse_depths(text, file)
        _refuse_twins(yaml.compose(text, Loader=_loader()), file, {})
        return dict(_mapping(yaml.load(text, Loader=_loader()), file, None))  # noqa: S506 - a safe loader
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror}).", file=file) from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"is not YAML: {' '.join(str(error).split())}.", file=file) from None


def _loader() -> Any:
    import yaml

    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _refuse_depths(text: str, file: Path) -> None:
    """Composing calls itself for each level, in C: what is deep enough ends the process without a word."""
    import yaml

    depth = 0
    event: Any
    for event in yaml.parse(text, Loader=_loader()):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            line = event.start_mark.line + 1
            raise UserError(f"lists or mappings are nested too deeply in line {line}.", file=file)


def _refuse_twins(node: Any, file: Path, walked: dict[Any, bool]) -> None:
    """Each node once, since an alias can stand for it many times; `walked` has False for those we are in."""
    import yaml

    if node in walked:
        if not walked[node]:
            raise UserError(f"what begins in line {node.start_mark.line + 1} holds itself.", file=file)
        return
    walked[node] = False
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(
                    f"a list or a mapping cannot be the name of a value (line {line}).", file=file
                )
            if key.value in seen:
                raise UserError(f"stands twice in one place, again in line {line}.", file=file, key=key.value)
            seen.add(key.value)
            _refuse_twins(value, file, walked)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_twins(item, file, walked)
    walked[node] = True


def _mapping(values: Any, file: Path, key: str | None) -> Mapping[str, Any]:
    if not isinstance(values, Mapping):
        raise UserError("must be a mapping of keys to values.", file=file, key=key)
    return values
