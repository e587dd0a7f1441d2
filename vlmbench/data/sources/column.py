"""The columns of a dataset and their types: from an Arrow schema and its features, or from values."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from vlmbench.plain_text import visible

Kind = Literal["text", "number", "truth", "picture", "list", "mapping", "mixed", "nothing", "other"]
FEATURES = b"huggingface"
"""The key of a schema's metadata under which `datasets` writes its features."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what it holds."""

    name: str
    kind: Kind
    described: str
    """The type in words, as errors show it."""
    names: tuple[str, ...] = ()
    """Of a ClassLabel: the name of each number."""
    item: Kind | None = None
    """Of a list: what its members are."""

    @property
    def shows_pictures(self) -> bool:
        """Whether it holds pictures, or lists of them."""
        return "picture" in (self.kind, self.item)


def columns_of_schema(schema: Any) -> tuple[Column, ...]:
    """The columns of an Arrow schema."""
    features = _features(schema.metadata)
    return tuple(_with_feature(_of_arrow(f.name, f.type), features.get(f.name)) for f in schema)


def columns_of_values(rows: Sequence[Mapping[str, Any]]) -> tuple[Column, ...]:
    """The columns of some rows of Python values, in order of first appearance."""
    names = dict.fromkeys(name for row in rows for name in row)
    return tuple(_of_values(name, [row.get(name) for row in rows]) for name in names)


def _features(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Any]:
    try:
        found = json.loads((metadata or {}).get(FEATURES, b"{}"))["info"]["features"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def _with_feature(column: Column, feature: Any) -> Column:
    """The column with what only the feature knows: names of a class, and that a struct is no picture."""
    if not isinstance(feature, Mapping):
        return column
    kind = feature.get("_type")
    names = feature.get("names")
    if kind == "ClassLabel" and isinstance(names, list):
        shown = visible(", ".join(map(str, names)), 60)
        return replace(column, names=tuple(map(str, names)), described=f"class of {len(names)} ({shown})")
    if column.kind == "picture" and kind in ("Audio", "Video", "Pdf"):
        return replace(column, kind="other", described=str(kind).lower())
    return column


def _of_arrow(name: str, kind: Any) -> Column:
    import pyarrow.types as types

    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
        item = _of_arrow(name, kind.value_type)
        return Column(name, "list", f"list of {item.described}", item=item.kind)
    if types.is_struct(kind):
        fields = [kind.field(i).name for i in range(kind.num_fields)]
        if "bytes" in fields and set(fields) <= {"bytes", "path"}:
            return Column(name, "picture", "picture")
        return Column(name, "mapping", f"mapping with {visible(', '.join(fields), 60)}")
    if types.is_binary(kind) or types.is_large_binary(kind):
        return Column(name, "picture", "picture or other bytes")
    return Column(name, *_plain(kind))


def _plain(kind: Any) -> tuple[Kind, str]:
    import pyarrow.types as types

    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text", "text"
    if types.is_boolean(kind):
        return "truth", "true or false"
    if types.is_integer(kind) or types.is_floating(kind):
        return "number", "whole number" if types.is_integer(kind) else "number"
    return ("nothing", "empty") if types.is_null(kind) else ("other", str(kind))


def _of_values(name: str, values: Iterable[Any]) -> Column:
    found = dict.fromkeys(_kind_of(value) for value in values if not is_missing(value))
    kinds = list(found)
    if not kinds:
        return Column(name, "nothing", "empty")
    if len(kinds) > 1:
        return Column(name, "mixed", " or ".join(sorted({_word(kind) for kind in kinds})))
    kind, item = kinds[0]
    return Column(name, kind, _word(kinds[0]), item=item)


def _word(kind: tuple[Kind, Kind | None]) -> str:
    words = {"truth": "true or false"}
    first, item = (words.get(k or "", k) for k in kind)
    return f"{first} of {item}" if item else str(first)


def _kind_of(value: Any) -> tuple[Kind, Kind | None]:
    if isinstance(value, str):
        return "text", None
    if isinstance(value, bool):
        return "truth", None
    if isinstance(value, (bytes, bytearray)) or is_pixels(value):
        return "picture", None
    if isinstance(value, Mapping):
        return ("picture" if "bytes" in value and set(value) <= {"bytes", "path"} else "mapping"), None
    if is_list(value):
        kinds = {_kind_of(member)[0] for member in value if not is_missing(member)}
        return "list", kinds.pop() if len(kinds) == 1 else "mixed" if kinds else None
    return ("number" if hasattr(value, "__int__") else "other"), None


def is_pixels(value: Any) -> bool:
    """Whether a value is a picture of Pillow."""
    return hasattr(value, "save") and hasattr(value, "mode") and hasattr(value, "size")


def is_list(value: Any) -> bool:
    """Whether a value is a list, a tuple or an array."""
    return isinstance(value, (list, tuple)) or (hasattr(value, "tolist") and hasattr(value, "__len__"))


def is_missing(value: Any) -> bool:
    """Whether a cell is empty: None, or the NaN that pandas puts there."""
    return value is None or (isinstance(value, float) and value != value)
