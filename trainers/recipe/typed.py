"""From the plain values of YAML and of `--set` to frozen dataclasses, by the types of their fields.

Every layer of a recipe is checked by itself, so that an error names its file and key. The checked layers are
merged, and made into objects at the end. A field may add a rule: `Annotated[int, Range(least=1)]`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from vlmbench.errors import UnknownName, UsageError, UserError
from vlmbench.files.json_files import parse_yaml

T = TypeVar("T")
PLACE = "--set"


@cache
def hints(kind: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, with their rules."""
    return get_type_hints(kind, include_extras=True)


def checked(kind: type, values: Any, file: str | Path, prefix: str = "") -> dict[str, Any]:
    """Some of a dataclass's fields, every key known and every value of its type."""
    if not isinstance(values, Mapping):
        raise UserError("must be a mapping of keys to values.", file=file, key=prefix or None)
    found = {}
    for name, value in values.items():
        key = f"{prefix}.{name}" if prefix else str(name)
        hint = hint_of(kind, str(name), key, file)
        found[str(name)] = converted(hint, value, file, key)
    return found


def hint_of(kind: type, name: str, key: str, file: str | Path) -> Any:
    """The type of a field; an unknown one suggests the nearest."""
    known = hints(kind)
    if name not in known:
        raise UnknownName("key", key, [key[: len(key) - len(name)] + k for k in known], fix=f"({file})")
    return known[name]


def converted(hint: Any, value: Any, file: str | Path, key: str) -> Any:
    """A value of this type; dataclasses stay mappings until they are complete."""
    options = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if value is None:
        if NoneType in options:
            return None
        raise UserError("must not be empty.", file=file, key=key)
    kind = next(option for option in options if option is not NoneType)
    if get_origin(kind) is Annotated:
        inner, *rules = get_args(kind)
        found = converted(inner, value, file, key)
        for rule in rules:
            rule.check(found, file, key)
        return found
    if is_dataclass(kind):
        return checked(kind, value, file, key)  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        return _several(get_args(kind), value, file, key)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise UnknownName(f"value for `{key}`", str(value), map(str, get_args(kind)), fix=f"({file})")
        return value
    return _scalar(kind, value, file, key)


def _several(items: tuple[Any, ...], value: Any, file: str | Path, key: str) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise UserError(f"must be a list, not `{value}`.", file=file, key=key)
    if items[-1] is not Ellipsis and len(value) != len(items):
        raise UserError(f"must have {len(items)} values, not {len(value)}.", file=file, key=key)
    return [converted(items[0], item, file, f"{key}.{place}") for place, item in enumerate(value)]


def _scalar(kind: type, value: Any, file: str | Path, key: str) -> Any:
    if kind is bool or isinstance(value, bool):
        if kind is bool and isinstance(value, bool):
            return value
    elif kind in (str, int) and isinstance(value, kind):
        return value
    # YAML reads 1e-3, which has no point, as text.
    elif kind is float and isinstance(value, int | float | str):
        try:
            return float(value)
        except ValueError:
            pass
    names = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    raise UserError(f"must be {names[kind]}, not `{value}`.", file=file, key=key)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """One layer over another: mappings join, `mended` adds up (`[]` empties it), else the upper wins."""
    both = dict(below)
    for key, value in above.items():
        under = below.get(key)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            both[key] = merged(under, value)
        elif key == "mended" and isinstance(under, list) and value:
            both[key] = [*under, *(item for item in value if item not in under)]
        else:
            both[key] = value
    return both


def made(kind: type[T], values: Mapping[str, Any], file: str | Path, prefix: str = "") -> T:
    """The object, once every layer is merged; a field without a value is named."""
    known = hints(kind)  # type: ignore[arg-type]
    arguments = {}
    for field in fields(kind):  # type: ignore[arg-type]
        key = f"{prefix}.{field.name}" if prefix else field.name
        if field.name in values:
            arguments[field.name] = _object(known[field.name], values[field.name], file, key)
        elif field.default is MISSING and field.default_factory is MISSING:
            raise UserError("is missing.", file=file, key=key)
    return kind(**arguments)


def _object(hint: Any, value: Any, file: str | Path, key: str) -> Any:
    if isinstance(value, Mapping):
        return made(dataclass_in(hint), value, file, key)
    if isinstance(value, list):
        item = _item(hint)
        return tuple(_object(item, v, file, f"{key}.{place}") for place, v in enumerate(value))
    return value


def dataclass_in(hint: Any) -> type:
    """The dataclass of a hint that may be empty, too."""
    options = (hint, *get_args(hint))
    return next(option for option in options if is_dataclass(option))  # type: ignore[return-value]


def _item(hint: Any) -> Any:
    return get_args(next((o for o in get_args(hint) if get_origin(o) is tuple), hint))[0]


class Range(NamedTuple):
    """Numbers from `least` or above `above`, to `most` or below `below`; never infinite."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def check(self, value: Any, file: str | Path, key: str) -> None:
        """Refuse a number outside."""
        if not math.isfinite(value) or not all(self._held(value)):
            raise UserError(f"must be {self._words()}, not `{value}`.", file=file, key=key)

    def _words(self) -> str:
        if self == Range(least=1):
            return "1 or more"
        words = {"from": self.least, "above": self.above, "to": self.most, "below": self.below}
        limits = " ".join(f"{word} {number:,}" for word, number in words.items() if number is not None)
        return f"a number {limits}"

    def _held(self, value: float) -> Iterator[bool]:
        yield self.least is None or value >= self.least
        yield self.above is None or value > self.above
        yield self.most is None or value <= self.most
        yield self.below is None or value < self.below


class Named(NamedTuple):
    """A name out of a known set."""

    kind: str
    known: tuple[str, ...]

    def check(self, value: Any, file: str | Path, key: str) -> None:
        """Refuse an unknown name, and suggest the nearest."""
        if value not in self.known:
            raise UnknownName(self.kind, str(value), self.known, fix=f"({file}, `{key}`)")


def split(setting: str) -> tuple[list[str], str]:
    """The path and the text of `a.b=c`."""
    path, equals, text = setting.partition("=")
    if not equals or not path.strip():
        raise UsageError(f"`{setting}` is not `key=value`.", key=PLACE, fix="Write --set schedule.lr=1e-4.")
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
        return parse_yaml(text)
    except (yaml.YAMLError, ValueError):
        raise UserError(f"`{text}` cannot be read as a value.", file=PLACE, key=key) from None
