"""What a predictions file amounts to before it is matched with a benchmark."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmbench.errors import PredictionsError
from vlmbench.plain_text import visible
from vlmbench.predictions.files import Nested, cell_of

ID_NAMES = ("index", "question_id", "questionId", "id", "qid", "pid", "data_id")
"""What files call the name of a question."""

PICTURE_NAMES = ("image_path", "image", "image_source", "img_path")
_PICTURE = re.compile(r"\.(jpe?g|png|webp|bmp|gif)$", re.IGNORECASE)
_WHOLE = re.compile(r"(-?[0-9]+)\.0*")
_SCIENTIFIC = re.compile(r"-?[0-9](\.[0-9]+)?E\+?[0-9]{1,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """An answer in a file, and whatever in the file identifies its question."""

    text: str | None
    """None where the file has a null or an empty cell."""
    row: str | int
    """Where it stands: a line, a row, or a place inside a folder or archive."""
    ids: Mapping[str, str] = field(default_factory=dict)
    """By the name that the file gives to this kind of id."""
    question: str | None = None
    """The question, or the whole prompt around it."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Letter to text, where the file repeats the options."""
    picture: str | None = None
    """The picture's file name."""
    category: str | None = None
    shows_picture: bool | None = None
    """Whether the question was asked with a picture; None where the file leaves it open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A file that was read."""

    path: Path
    format: str
    used: str
    """Which part of the file is taken for the model's words."""
    answers: tuple[StoredAnswer, ...]


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder whose files together are the predictions."""

    path: Path


@dataclass(frozen=True, slots=True)
class Archive:
    """A zip file, its members not yet read."""

    path: Path


@dataclass(frozen=True, slots=True)
class Format:
    """One layout: how it is known and how it is read.

    Both receive what the path holds: `JsonLines`, a JSON document, a `TextTable`, a `Folder` or an `Archive`.
    """

    name: str
    used: str | Callable[[Path, Any], str]
    """The part that is taken for the model's words; from path and content where that depends on the file."""
    recognise: Callable[[Any], bool]
    read: Callable[[Path, Any], Iterable[StoredAnswer]]

    def used_of(self, path: Path, held: Any) -> str:
        """Which part of this file is taken for the model's words."""
        return self.used if isinstance(self.used, str) else self.used(path, held)


def text_of(path: Path, row: str | int, key: str, record: Mapping[str, Any]) -> str | None:
    """The text under a key; a PredictionsError where there is a list, an object or nothing at all."""
    if key not in record:
        raise _entry_error(path, row, key, "this entry lacks it.")
    value = cell_of(record[key])
    if isinstance(value, Nested):
        raise _entry_error(path, row, key, f"this is {value.kind}; an answer is one text.")
    return value


def id_of(path: Path, row: str | int, key: str, record: Mapping[str, Any]) -> str:
    """The id under a key, which must be there."""
    value = text_of(path, row, key, record)
    if not value:
        raise _entry_error(path, row, key, "this entry has no id.")
    return whole(value)


def _entry_error(path: Path, row: str | int, key: str, what: str) -> PredictionsError:
    return PredictionsError(what, file=path, row=visible(str(row), 60), key=visible(key, 60))


def some_text(record: Mapping[str, Any], *keys: str) -> str | None:
    """The first of these keys that holds a text that is not empty."""
    return next((v for key in keys if isinstance(v := record.get(key), str) and v), None)


def texts_in(record: Mapping[str, Any], keys: Iterable[str]) -> dict[str, str]:
    """Those of these keys that hold a text that is not empty."""
    return {key: v for key in keys if isinstance(v := record.get(key), str) and v}


def objects_in(path: Path, value: Any, what: str) -> list[Mapping[str, Any]]:
    """A list of objects; a PredictionsError for anything else."""
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    raise PredictionsError(f"{what} is not a list of objects.", file=path)


def picture_of(record: Mapping[str, Any]) -> str | None:
    """The picture's file name, which some ids are."""
    named = (*PICTURE_NAMES, *ID_NAMES)
    return next((v for v in texts_in(record, named).values() if _PICTURE.search(v) and len(v) < 500), None)


def whole(value: str) -> str:
    """An id without the fraction that spreadsheets and pandas give to whole numbers."""
    if (found := _WHOLE.fullmatch(value)) is not None:
        return found[1]
    return str(int(float(value))) if _SCIENTIFIC.fullmatch(value) else value
