"""One record of LLaVA training data, and the turns it is mapped to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from vlmbench.errors import DataError
from vlmbench.templates import IMAGE, Turn

Placement = Literal["first", "as_written", "image_only"]
"""Where a picture goes in its question.

first: one a question, in front of the text, as the published models were trained.
as_written: any number, where the text says `<image>`.
image_only: the question is the picture and nothing else.
"""

ROLES = ("human", "gpt")


def ask_for(placement: Placement) -> str:
    """How a user takes another placement, wherever the complaint is read."""
    return f"`--set data.placement={placement}` of a recipe, or `--placement {placement}` of `vlmbench data`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A conversation about any number of pictures."""

    row: int
    """Its place in the file, from 1."""
    id: str
    """Its own name, or `row N`."""
    images: tuple[str, ...]
    """Paths below the folder of pictures."""
    messages: tuple[tuple[str, str], ...]
    """Who said what."""


def read_record(text: str, row: int, file: Path | None = None) -> Record:
    """The record that this JSON says, or a DataError that names what is wrong with it."""
    return as_record(parsed(text, row, file), row, file)


def parsed(text: str, row: int, file: Path | None = None) -> Any:
    """The value of this JSON; what Python's reader gives up on is refused like what is no JSON."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        what = f"is no JSON: {error.msg}."
    except RecursionError:
        what = "lists or objects are nested too deeply."
    except ValueError:
        what = "a number has thousands of digits."
    raise DataError(what, file=file, row=row)


def refuse_half_characters(text: str, row: int, file: Path | None, key: str) -> None:
    """JSON can spell half a character, as where an emoji was cut; no file and no tokenizer takes it."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = ascii(text[error.start])[1:-1]
        raise DataError(
            f"has half a character, `{half}`: a character was cut in two.",
            file=file,
            row=row,
            key=key,
            fix="Take it out.",
        ) from None


def as_record(raw: Any, row: int, file: Path | None = None) -> Record:
    """The record in this JSON value."""
    if not isinstance(raw, dict):
        raise DataError("a record is an object with `conversations`.", file=file, row=row)
    name = raw.get("id")
    if name is not None and not isinstance(name, (str, int)):
        raise DataError("must be a text or a whole number.", file=file, row=row, key="id")
    refuse_half_characters(str(name), row, file, "id")
    return Record(
        row=row,
        id=f"row {row}" if name is None else str(name),
        images=_images(raw.get("image"), row, file),
        messages=_messages(raw.get("conversations"), row, file),
    )


def _images(value: Any, row: int, file: Path | None) -> tuple[str, ...]:
    named = [] if value is None else value if isinstance(value, list) else [value]
    if not all(isinstance(name, str) and name for name in named):
        raise DataError("is the path of a picture, or a list of paths.", file=file, row=row, key="image")
    for name in named:
        refuse_half_characters(name, row, file, "image")
        if "\0" in name:
            raise DataError("no path can have the character `\\u0000`.", file=file, row=row, key="image")
    return tuple(named)


def _messages(value: Any, row: int, file: Path | None) -> tuple[tuple[str, str], ...]:
    if not isinstance(value, list):
        raise DataError("must be a list of {from, value}.", file=file, row=row, key="conversations")
    said = []
    for message in value:
        known = message if isinstance(message, dict) else {}
        speaker, text = known.get("from"), known.get("value")
        if not isinstance(text, str):
            raise DataError("every message needs a text as `value`.", file=file, row=row, key="conversations")
        refuse_half_characters(f"{speaker}{text}", row, file, "conversations")
        if speaker not in ROLES:
            raise DataError(
                f"a message is from `human` or `gpt`, not from `{speaker}`.",
                file=file,
                row=row,
                key="conversations",
                fix="Rename the speaker; put a system text in front of the first question.",
            )
        said.append((speaker, text))
    return tuple(said)


def turns_of(record: Record, placement: Placement = "first", file: Path | None = None) -> list[Turn]:
    """Questions with their answers.

    Answers before the first question and a last question without an answer are dropped. Questions in a row
    become one question; a second answer in a row answers an empty question.
    """
    turns: list[Turn] = []
    asked = ""
    for speaker, text in _from_the_first_question(record.messages):
        if speaker == "human":
            asked += place(text, placement, record, file)
        else:
            turns.append(Turn(question=asked, answer=text))
            asked = ""
    return turns


def _from_the_first_question(messages: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    first = next((i for i, (speaker, _) in enumerate(messages) if speaker == "human"), len(messages))
    return messages[first:]


def place(text: str, placement: Placement, record: Record, file: Path | None = None) -> str:
    """The question with its picture where it belongs."""
    if placement == "image_only":
        if IMAGE not in text:
            raise DataError(
                "this way of training needs `<image>` in every question.",
                file=file,
                row=record.row,
                fix=f"Take {ask_for('first')}, instead.",
            )
        return IMAGE
    if placement == "as_written" or IMAGE not in text:
        return text
    rest = text.replace(IMAGE, "").strip()
    return f"{IMAGE}\n{rest}".strip()
