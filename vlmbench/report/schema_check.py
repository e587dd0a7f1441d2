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

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


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
        checks = [made for make in (self._reference, _type, _value, self._inside) if (made := make(schema))]
        if len(checks) == 1:
            return checks[0]

        def every(value: Any, place: str) -> str | None:
            for one in checks:
                if problem := one(value, place):
                    return problem
            return None

        return every

    def _reference(self, schema: Mapping[str, Any]) -> Check | None:
        if "$ref" not in schema:
            return None
        name = schema["$ref"].removeprefix("#/$defs/")
        if name not in self._made:
            # A definition may name itself, so it is looked up when it is needed.
            self._made[name] = lambda value, place: self._made[name](value, place)
            self._made[name] = self.check(self._definitions[name])
        return lambda value, place: self._made[name](value, place)

    def _inside(self, schema: Mapping[str, Any]) -> Check | None:
        in_object, in_array = self._object(schema), self._array(schema)

        def inside(value: Any, place: str) -> str | None:
            if isinstance(value, dict):
                return in_object(value, place)
            if isinstance(value, list):
                return in_array(value, place)
            return None

        told = {
            "required",
            "properties",
            "additionalProperties",
            "propertyNames",
            "items",
            "minItems",
            "maxItems",
        }
        return inside if told & schema.keys() else None

    def _object(self, schema: Mapping[str, Any]) -> Check:
        required, others = schema.get("required", ()), schema.get("additionalProperties", True)
        known = {name: self.check(inner) for name, inner in schema.get("properties", {}).items()}
        names = self.check(schema["propertyNames"]) if "propertyNames" in schema else None
        stranger: Check | None = None
        if isinstance(others, dict):
            stranger = self.check(others)
        elif others is False:
            stranger = lambda _, place: f"{place} does not belong there"  # noqa: E731

        def in_object(value: Any, place: str) -> str | None:
            for key in required:
                if key not in value:
                    return f"{place or 'the document'} has no `{key}`"
            for key, item in value.items():
                inner = f"{place}.{key}" if place else key
                if names and (problem := names(key, f"the key {inner}")):
                    return problem
                check = known.get(key, stranger)
                if check and (problem := check(item, inner)):
                    return problem
            return None

        return in_object

    def _array(self, schema: Mapping[str, Any]) -> Check:
        least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
        each = self.check(schema["items"]) if "items" in schema else None

        def in_array(value: Any, place: str) -> str | None:
            if not least <= len(value) <= most:
                return f"{place} has {len(value)} items"
            for number, item in enumerate(value if each else ()):
                if each and (problem := each(item, f"{place}[{number}]")):
                    return problem
            return None

        return in_array


def _type(schema: Mapping[str, Any]) -> Check | None:
    if "type" not in schema:
        return None
    names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    # The classes that need no second look; a boolean is an int to Python and no number to JSON.
    plain = {kind for name in names for kind in _TYPES[name]}

    def of_type(value: Any, place: str) -> str | None:
        if type(value) in plain or any(_is(value, name) for name in names):
            return None
        return f"{place or 'the document'} is {_kind(value)}, not {' or '.join(names)}"

    return of_type


def _value(schema: Mapping[str, Any]) -> Check | None:
    told = {"const", "enum", "minLength", "minimum", "maximum"} & schema.keys()
    if not told:
        return None
    shortest = schema.get("minLength", 0)
    least, most = schema.get("minimum", -sys.float_info.max), schema.get("maximum", sys.float_info.max)

    def of_value(value: Any, place: str) -> str | None:
        here = place or "the document"
        if "const" in told and value != schema["const"]:
            return f"{here} is not {schema['const']!r}"
        if "enum" in told and value not in schema["enum"]:
            return f"{here} is none of {', '.join(map(str, schema['enum']))}"
        if isinstance(value, str):
            return f"{here} is empty" if len(value) < shortest else None
        if isinstance(value, (int, float)) and not least <= value <= most:
            return f"{here} is {value}"
        return None

    return of_value


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _kind(value: Any) -> str:
    return next(name for name in _TYPES if _is(value, name))
