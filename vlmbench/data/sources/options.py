"""The options of a question and its answer, in the forms that datasets write them in.

Options are lists, mappings from letters, parallel lists of labels and texts, columns of their own, or any of
these as JSON or as a Python literal in a text, which is parsed and not evaluated.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from vlmbench.answers.scores import literal_of
from vlmbench.data.sources.column import is_list, is_missing
from vlmbench.data.sources.column_map import AnswerForm

_LETTERED = re.compile(r"\s*\(?([A-Za-z])\s*[).:]\s*(.*)", re.DOTALL)
_LONE = re.compile(r"\s*\(?([A-Za-z])\s*[).:]?\s*")
_TEXTS, _LABELS = ("text", "texts", "value", "content"), ("label", "labels", "key", "letter", "id")
MOST = len(ascii_uppercase)


class UnreadableCell(Exception):
    """A row's cell is not of the form that it must have; the message becomes the row's problem."""


def text_of(value: Any) -> str:
    """A plain value as a cell of text; None and NaN are empty."""
    if isinstance(value, str):
        return value
    if type(value) is int:  # the usual other kind, and not a bool
        return str(value)
    if is_missing(value):
        return ""
    if isinstance(value, bool):
        return "Yes" if value else "No"
    if is_list(value) or isinstance(value, Mapping):
        return repr(_plain(value))
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        return {str(key): _plain(member) for key, member in value.items()}
    return [_plain(member) for member in value] if isinstance(value, (list, tuple)) else value


def read_options(value: Any) -> dict[str, str]:
    """Letter to text; empty where there are no options."""
    if isinstance(value, str):
        value = _parsed(value)
    value = _plain(value)
    if value is None or value == "":
        return {}
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if not isinstance(value, list):
        raise UnreadableCell(f"its options are neither a list nor a mapping: `{str(value)[:60]}`")
    if value and all(isinstance(member, Mapping) for member in value):
        return _of_mapping({key: [m.get(key) for m in value] for key in value[0]})
    return lettered([text_of(member) for member in value])


def lettered(texts: Sequence[str]) -> dict[str, str]:
    """Letters for texts in order; a text that brings its own letter, as all others do, loses it."""
    while texts and not texts[-1]:
        texts = texts[:-1]  # columns of options that this row does not use
    if len(texts) > MOST:
        raise UnreadableCell(f"it has {len(texts)} options, and letters are for {MOST}")
    letters = ascii_uppercase[: len(texts)]
    bare = {}
    for at, text in zip(letters, texts, strict=True):
        own = _LETTERED.fullmatch(text)
        if own is None or own[1].upper() != at:
            return dict(zip(letters, texts, strict=True))
        bare[at] = own[2]
    return bare


def _parsed(text: str) -> Any:
    """The value that a text of JSON, of a Python literal, or of lettered lines stands for."""
    bare = text.strip()
    if not bare.startswith(("[", "{")):
        lines = [line for line in bare.splitlines() if line.strip()]
        if len(lines) > 1 or not lines:
            return lines
        raise UnreadableCell(f"its options are one text and no list: `{bare[:60]}`")
    try:
        return json.loads(bare)
    except (ValueError, RecursionError):
        found = literal_of(bare)
    if found is None:
        raise UnreadableCell(f"its options start like a list and are not one: `{bare[:60]}`")
    return found


def _of_mapping(value: Mapping[str, Any]) -> dict[str, str]:
    texts = next((value[key] for key in _TEXTS if isinstance(value.get(key), list)), None)
    labels = next((value[key] for key in _LABELS if isinstance(value.get(key), list)), None)
    if texts is not None:
        if labels is None or len(labels) != len(texts):
            return lettered([text_of(text) for text in texts])
        value = dict(zip(map(str, labels), texts, strict=True))
    found = {str(key).strip(): text_of(text) for key, text in value.items()}
    found = {key: text for key, text in found.items() if text}
    if {"A", "a"} & set(found) and all(len(k) == 1 and k.upper() in ascii_uppercase for k in found):
        return {key.upper(): text for key, text in sorted(found.items(), key=lambda pair: pair[0].upper())}
    return lettered(list(found.values()))


def letter_of(answer: str, form: AnswerForm, options: Mapping[str, str]) -> str | None:
    """The letter of the option that an answer of this form names; None where it names none."""
    answer = answer.strip()
    letters = list(options)
    if form == "letter":
        found = _LONE.fullmatch(answer) or _LETTERED.fullmatch(answer)
        letter = found[1].upper() if found else ""
        return letter if letter in options else None
    if form == "text":
        same = [letter for letter, text in options.items() if text.strip() == answer]
        return same[0] if same else None
    if not answer.isascii() or not answer.isdigit() or len(answer) > 3:
        return None
    place = int(answer) - (form == "number")
    return letters[place] if 0 <= place < len(letters) else None
