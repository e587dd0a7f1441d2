"""`--set a.b=c`: one value changed by its path, typed by the field it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import is_dataclass
from types import NoneType
from typing import Any, get_args, get_origin

from vlmbench.errors import UnknownName, UsageError, UserError
from vlmbench.trainers.recipe.typed import converted, dataclass_in, hint_of

PLACE = "--set"


def split(setting: str) -> tuple[list[str], str]:
    """The path and the text of `a.b=c`."""
    path, equals, text = setting.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"`{setting}` is no `key=value`.", key=PLACE, fix="Write --set schedule.lr=1e-4.")
    return path.strip().split("."), text.strip()


def changed(kind: type, values: Mapping[str, Any], path: list[str], text: str, prefix: str = "") -> Any:
    """The mapping with the value at `path` set to what `text` means there."""
    name, rest = path[0], path[1:]
    key = f"{prefix}.{name}" if prefix else name
    hint = hint_of(kind, name, key, PLACE)
    if not rest:
        return {**values, name: _typed(hint, text, key)}
    inner = _inside(hint)
    if inner is None:
        raise UsageError(f"`{key}` has nothing below it, and `{'.'.join(rest)}` was asked.", key=PLACE)
    if _is_list(hint):
        return {**values, name: _in_list(inner, values.get(name) or [], rest, text, key)}
    return {**values, name: changed(inner, values.get(name) or {}, rest, text, key)}


def _typed(hint: Any, text: str, key: str) -> Any:
    try:
        return converted(hint, _parsed(hint, text, key), PLACE, key)
    except UnknownName:
        raise
    except UserError as error:
        raise UsageError(error.what, file=PLACE, key=error.key) from None


def _in_list(kind: type, items: list[Any], path: list[str], text: str, key: str) -> list[Any]:
    place = path[0]
    if not place.isdigit() or int(place) >= len(items) or len(path) == 1:
        known = f"{key}.0.…" if len(items) == 1 else f"{key}.0.… to {key}.{len(items) - 1}.…"
        raise UsageError(f"`{key}` is a list, written {known}.", key=PLACE)
    chosen = int(place)
    new = changed(kind, items[chosen], path[1:], text, f"{key}.{place}")
    return [*items[:chosen], new, *items[chosen + 1 :]]


def _inside(hint: Any) -> type | None:
    found = [*get_args(hint), *(a for o in get_args(hint) for a in get_args(o)), hint]
    return dataclass_in(next(f for f in found if is_dataclass(f))) if any(map(is_dataclass, found)) else None


def _is_list(hint: Any) -> bool:
    return get_origin(hint) is tuple


def _parsed(hint: Any, text: str, key: str) -> Any:
    """Text stays text where text is wanted; elsewhere it is read as YAML."""
    options = get_args(hint) or (hint,)
    if NoneType in options and text.lower() in ("null", "none", ""):
        return None
    if str in options and not _is_list(hint):
        return text
    if _is_list(hint) and not text.startswith("["):
        text = f"[{text}]"
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise UserError(f"`{text}` cannot be read as a value.", file=PLACE, key=key) from None
