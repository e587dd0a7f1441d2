"""The part of JSON Schema that our own schemas use, so that a stranger's file is refused by name.

type  const  enum  required  properties  additionalProperties  propertyNames
items  minItems  maxItems  minLength  minimum  maximum  $ref to `#/$defs/…`
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}


def first_problem(document: Any, schema: Mapping[str, Any]) -> str | None:
    """What is wrong first, as `place: what`; None for a valid document."""
    return next(_problems(document, schema, schema, ""), None)


def _problems(value: Any, schema: Mapping[str, Any], root: Mapping[str, Any], place: str) -> Iterator[str]:
    if "$ref" in schema:
        yield from _problems(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, place)
    here = place or "the document"
    if "type" in schema and not _is_any(value, schema["type"]):
        yield f"{here} is {_kind(value)}, not {_listed(schema['type'])}"
        return
    if "const" in schema and value != schema["const"]:
        yield f"{here} is not {schema['const']!r}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{here} is none of {', '.join(map(str, schema['enum']))}"
    if isinstance(value, dict):
        yield from _in_object(value, schema, root, place)
    elif isinstance(value, list):
        yield from _in_array(value, schema, root, place)
    elif isinstance(value, (str, int, float)):
        yield from _in_scalar(value, schema, here)


def _in_object(
    value: Mapping[str, Any], schema: Mapping[str, Any], root: Mapping[str, Any], place: str
) -> Iterator[str]:
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{place or 'the document'} has no `{key}`"
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key, item in value.items():
        inner = f"{place}.{key}" if place else key
        if "propertyNames" in schema:
            yield from _problems(key, schema["propertyNames"], root, f"the key {inner}")
        if key in known:
            yield from _problems(item, known[key], root, inner)
        elif others is False:
            yield f"{inner} does not belong there"
        elif isinstance(others, dict):
            yield from _problems(item, others, root, inner)


def _in_array(
    value: list[Any], schema: Mapping[str, Any], root: Mapping[str, Any], place: str
) -> Iterator[str]:
    if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", math.inf):
        yield f"{place} has {len(value)} items"
    for number, item in enumerate(value if "items" in schema else ()):
        yield from _problems(item, schema["items"], root, f"{place}[{number}]")


def _in_scalar(value: str | float, schema: Mapping[str, Any], here: str) -> Iterator[str]:
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            yield f"{here} is empty"
    elif not schema.get("minimum", -sys.float_info.max) <= value <= schema.get("maximum", sys.float_info.max):
        yield f"{here} is {value}"


def _is_any(value: Any, types: str | list[str]) -> bool:
    return any(_is(value, name) for name in ([types] if isinstance(types, str) else types))


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _kind(value: Any) -> str:
    return next(name for name in _TYPES if _is(value, name))


def _listed(types: str | list[str]) -> str:
    return types if isinstance(types, str) else " or ".join(types)
