"""A JSON object as one of our frozen dataclasses, each field of the type that it is declared with.

    as_instance(Response, {"id": "17", "text": "A", "finish": "stop"})

Known are texts, numbers, booleans, null, literals, tuples of texts, and objects.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_LARGEST = 2**63
_WORDS = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    dict: "an object",
    list: "a list",
    type(None): "null",
}


class WrongField(ValueError):
    """A field that lacks, or is of another type; the text names it."""


def as_instance(kind: Callable[..., T], document: Mapping[str, Any]) -> T:
    """The dataclass with these fields; WrongField names the first that cannot be one of its."""
    checks, needed = _fields(kind)
    if (problem := wrong_field(kind, document)) is not None:
        raise WrongField(problem)
    if (extra := next((name for name in document if name not in checks), None)) is not None:
        raise WrongField(f"`{extra:.40}` does not belong there")
    if (lacking := next((name for name in needed if name not in document), None)) is not None:
        raise WrongField(f"it has no `{lacking}`")
    lists = {name: tuple(value) for name, value in document.items() if type(value) is list}
    return kind(**{**document, **lists})


def wrong_field(kind: Any, document: Mapping[str, Any]) -> str | None:
    """The first field of the dataclass that is there with another type, in words."""
    checks, _ = _fields(kind)
    for name, value in document.items():
        if name in checks and not checks[name].holds(value):
            return f"`{name}` is {_in_words(value)}, not {checks[name].words}"
    return None


def fitting(kind: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the fields that are of the dataclass and of the declared type; of notes, the rest is left."""
    checks, _ = _fields(kind)
    return {n: value for n, value in document.items() if n in checks and checks[n].holds(value)}


@dataclasses.dataclass(frozen=True, slots=True)
class _Check:
    kinds: frozenset[type]
    choices: frozenset[str]
    texts: bool

    @property
    def words(self) -> str:
        if self.choices:
            return f"one of {', '.join(sorted(self.choices))}"
        return " or ".join(word for kind, word in _WORDS.items() if kind in self.kinds)

    def holds(self, value: Any) -> bool:
        kind = type(value)
        if kind is str and self.choices:
            return value in self.choices
        if kind not in self.kinds:
            return False
        if kind is int or kind is float:
            return bool(abs(value) < _LARGEST)  # NaN is not
        return not (self.texts and kind is list) or all(type(one) is str for one in value)


def _in_words(value: Any) -> str:
    if type(value) in (int, float) and not abs(value) < _LARGEST:
        return "a number without bounds"
    return f"`{value:.40}`" if isinstance(value, str) else _WORDS[type(value)]


@functools.cache
def _fields(kind: Any) -> tuple[dict[str, _Check], tuple[str, ...]]:
    hints = get_type_hints(kind)
    fields = dataclasses.fields(kind)
    missing = dataclasses.MISSING
    needed = (f.name for f in fields if f.default is missing and f.default_factory is missing)
    return {field.name: _check(hints[field.name]) for field in fields}, tuple(needed)


def _check(hint: Any) -> _Check:
    origin = get_origin(hint)
    parts = get_args(hint) if origin in (Union, types.UnionType) else (hint,)
    kinds: set[type] = set()
    choices: set[str] = set()
    texts = False
    for part in parts:
        whole = get_origin(part) or part
        if whole is Literal:
            choices.update(get_args(part))
        elif whole is tuple:
            kinds.add(list)
            texts = get_args(part)[:1] == (str,)
        else:
            kinds.add(dict if whole is Mapping or dataclasses.is_dataclass(whole) else whole)
    if float in kinds:
        kinds.add(int)
    return _Check(frozenset(kinds), frozenset(choices), texts)
