"""The part of JSON Schema that our own schemas use, so that a stranger's file is refused by name.

type  const  enum  required  properties  additionalProperties  propertyNames
items  minItems  maxItems  minLength  minimum  maximum  $ref to `#/$defs/…`

A leaderboard reads thousands of documents, so a schema is made into one function once.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Any

Check = Callable[[Any, str], str | None]
"""What is wrong first with a value at a place, as `place: what`; None for a valid one."""

Item = tuple[frozenset[type], Check]
"""Classes whose values are sound whatever they hold, and the check of all others."""

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}

_INSIDE = frozenset(
    ("required", "properties", "additionalProperties", "propertyNames", "items", "minItems", "maxItems")
)
"""What a schema can say of the values inside a value."""


def compiled(schema: Mapping[str, Any]) -> Callable[[Any], str | None]:
    """The schema as a function of a document."""
    check = _Compiler(schema).check(schema)
    return lambda document: check(document, "")


def first_problem(document: Any, schema: Mapping[str, Any]) -> str | None:
    """What is wrong first, for one document."""
    return compiled(schema)(document)


class _Compiler:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._definitions = root.get("$defs", {})
        self._made: dict[str, Check] = {}

    def check(self, schema: Mapping[str, Any]) -> Check:
        whole: Check = _sound
        for make in (self._reference, _type, _value, _range, self._inside):
            if made := make(schema):
                whole = _both(whole, made)
        return whole

    def _reference(self, schema: Mapping[str, Any]) -> Check | None:
        if "$ref" not in schema:
            return None
        name = schema["$ref"].removeprefix("#/$defs/")
        if name not in self._made:
            # A definition may name itself, so it is looked up when it is needed.
            self._made[name] = lambda value, place: self._made[name](value, place)
            self._made[name] = self.check(self._definitions[name])
        return self._made[name]

    def _item(self, schema: Mapping[str, Any]) -> Item:
        """Most values of a document have no more to them than their type: those are seen at a glance."""
        simple = schema.keys() <= {"type", "description"}
        return frozenset(_classes(schema)) if simple else frozenset(), self.check(schema)

    def _inside(self, schema: Mapping[str, Any]) -> Check | None:
        if not schema.keys() & _INSIDE:
            return None
        in_object, in_array = self._object(schema), self._array(schema)

        def inside(value: Any, place: str) -> str | None:
            if isinstance(value, dict):
                return in_object(value, place)
            if isinstance(value, list):
                return in_array(value, place)
            return None

        return inside

    def _object(self, schema: Mapping[str, Any]) -> Check:
        named, others = schema.get("required", ()), schema.get("additionalProperties", True)
        required = frozenset(named)
        known = {name: self._item(inner) for name, inner in schema.get("properties", {}).items()}
        names = self.check(schema["propertyNames"]) if "propertyNames" in schema else None
        stranger = self._item(others if isinstance(others, dict) else {})
        if others is False:
            stranger = frozenset(), lambda _, place: f"{place} does not belong there"

        def in_object(value: Any, place: str) -> str | None:
            if not value.keys() >= required:
                missing = next(key for key in named if key not in value)
                return f"{place or 'the document'} has no `{missing}`"
            for key, item in value.items():
                plain, check = known.get(key, stranger)
                if type(item) in plain and names is None:
                    continue
                inner = f"{place}.{key}" if place else key
                if names and (problem := names(key, f"the key {inner}")):
                    return problem
                if problem := check(item, inner):
                    return problem
            return None

        return in_object

    def _array(self, schema: Mapping[str, Any]) -> Check:
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        plain, each = self._item(schema.get("items", {}))

        def in_array(value: Any, place: str) -> str | None:
            if not least <= len(value) <= most:
                return f"{place} has {len(value)} items"
            for number, item in enumerate(value):
                if type(item) not in plain and (problem := each(item, f"{place}[{number}]")):
                    return problem
            return None

        return in_array


def _sound(value: Any, place: str) -> str | None:
    return None


def _both(one: Check, other: Check) -> Check:
    if one is _sound:
        return other
    return lambda value, place: one(value, place) or other(value, place)


def _type(schema: Mapping[str, Any]) -> Check | None:
    if "type" not in schema:
        return None
    names, plain = _names(schema), _classes(schema)

    def of_type(value: Any, place: str) -> str | None:
        if type(value) in plain or any(_is(value, name) for name in names):
            return None
        return f"{place or 'the document'} is {_kind(value)}, not {' or '.join(names)}"

    return of_type


def _names(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else types


def _classes(schema: Mapping[str, Any]) -> set[type]:
    """The classes that need no second look; a boolean is an int to Python and no number to JSON."""
    return {kind for name in _names(schema) for kind in _TYPES[name]}


def _value(schema: Mapping[str, Any]) -> Check | None:
    told = {"const", "enum", "minLength"} & schema.keys()
    if not told:
        return None
    shortest = schema.get("minLength", 0)

    def of_value(value: Any, place: str) -> str | None:
        here = place or "the document"
        if "const" in told and value != schema["const"]:
            return f"{here} is not {schema['const']!r}"
        if "enum" in told and value not in schema["enum"]:
            return f"{here} is none of {', '.join(map(str, schema['enum']))}"
        return f"{here} is empty" if isinstance(value, str) and len(value) < shortest else None

    return of_value


def _range(schema: Mapping[str, Any]) -> Check | None:
    if not {"minimum", "maximum"} & schema.keys():
        return None
    least, most = schema.get("minimum", -sys.float_info.max), schema.get("maximum", sys.float_info.max)

    def in_range(value: Any, place: str) -> str | None:
        number = isinstance(value, (int, float))
        return f"{place or 'the document'} is {value}" if number and not least <= value <= most else None

    return in_range


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _kind(value: Any) -> str:
    return next(name for name in _TYPES if _is(value, name))
