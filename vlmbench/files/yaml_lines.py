"""A YAML mapping that knows the line of each of its keys, so that an error can name it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError
from vlmbench.files.json_files import read_yaml

KeyPath = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LinedYaml:
    """What a file holds, and where."""

    path: Path
    value: Mapping[str, Any]
    lines: Mapping[KeyPath, int]
    """Line of each key, counted from 1; of the keys in a mapping with aliases, at its first place only."""

    def mapping(self, path: KeyPath) -> Mapping[str, Any]:
        """The mapping at a path of keys, or an error that it is none."""
        value: Any = self.value
        for key in path:
            value = value[key]
        if not isinstance(value, dict):
            raise self.error(path, f"must be a mapping, not `{value}`.")
        for key in value:
            if not isinstance(key, str):
                raise self.error((*path, str(key)), "must be a text; put it in quotes.")
        return value

    def check_keys(self, path: KeyPath, known: Iterable[str]) -> None:
        """Refuse a key of the mapping at `path` that is not known, and name the nearest that is."""
        names = list(known)
        for key in self.mapping(path):
            if key not in names:
                near = difflib.get_close_matches(key, names, n=1, cutoff=0.6)
                hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(sorted(names))}."
                raise self.error((*path, key), f"is no key that is known here. {hint}")

    def error(self, path: KeyPath, what: str) -> UserError:
        """An error about a key."""
        line = self.lines.get(path)
        where = f"{self.path}, line {line}" if line else self.path
        return UserError(what, file=where, key=".".join(path) or None)


def read_lined_yaml(path: Path) -> LinedYaml:
    """The mapping in a file; a UserError where it is something else, or a key stands in it twice."""
    import yaml

    value = read_yaml(path)
    if not isinstance(value, dict):
        raise UserError("must be a mapping of keys to values.", file=path)
    root = yaml.compose(path.read_text("utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    lines: dict[KeyPath, int] = {}
    for place, line in _keys(root, (), set()):
        if place in lines:
            where = f"{path}, line {line}"
            raise UserError(f"stands in line {lines[place]} already.", file=where, key=".".join(place))
        lines[place] = line
    return LinedYaml(path=path, value=value, lines=lines)


def _keys(node: Any, path: KeyPath, walked: set[Any]) -> Iterator[tuple[KeyPath, int]]:
    """Each mapping once: an alias can stand for it many times, or inside itself."""
    from yaml import MappingNode

    if not isinstance(node, MappingNode) or node in walked:
        return
    walked.add(node)
    for key, value in node.value:
        place = (*path, str(key.value))
        yield place, key.start_mark.line + 1
        yield from _keys(value, place, walked)
