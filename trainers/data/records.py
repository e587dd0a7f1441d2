"""Records of LLaVA training data: read from JSON, checked, and mapped to the turns of a conversation.

Beside them: what happens to those that cannot be used (`Policy`, `Notes`), and a file of records repeated.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from vlmbench.data.disk import writing
from vlmbench.errors import DataError, UsageError
from vlmbench.files.atomic import atomic_file
from vlmbench.templates import IMAGE, Turn
from vlmbench.trainers.data.json_stream import raw_records

Placement = Literal["first", "as_written", "image_only"]
"""Where a picture goes in its question.

first: one a question, in front of the text, as the published models were trained.
as_written: any number, where the text says `<image>`.
image_only: the question is the picture and nothing else.
"""

ROLES = ("human", "gpt")
CONVERTED = "vlmbench"
"""The key of what `shards/` notes in a record: its shard and row, or why it cannot be used."""
LISTED = 1000
"""Ids kept for each kind of note; the count goes on."""


def ask_for(placement: Placement) -> str:
    """How to take another placement, for a reader of `train` and of `data` alike."""
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
    """Role (`human` or `gpt`) and text of each message."""
    origin: tuple[str, int] | None = None
    """Shard and row of a record that came from another layout."""

    def error(self, what: str, file: Path | None, fix: str) -> DataError:
        """What is wrong with it, named by where its owner finds it."""
        shard, row = self.origin or (file, self.row)
        return DataError(what, file=shard, row=row, fix=fix)


def read_record(text: str, row: int, file: Path | None = None) -> Record:
    """The record in this line of JSON; a DataError names what is wrong with it."""
    return as_record(parsed(text, row, file), row, file)


def parsed(text: str, row: int, file: Path | None = None) -> Any:
    """The value of this JSON. What Python's reader gives up on is a DataError, too."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        what = f"is not JSON: {error.msg}."
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
    origin = _origin(raw)
    return Record(
        row=row,
        origin=origin,
        id=f"row {row}" if name is None else str(name),
        images=_images(raw.get("image"), row, file),
        messages=_messages(raw.get("conversations"), row, file),
    )


def _origin(raw: Mapping[str, Any]) -> tuple[str, int] | None:
    """Where the record came from; one that could not be read is the error that was met there."""
    note = raw.get(CONVERTED)
    if not isinstance(note, dict):
        return None
    if "problem" in note:
        raise DataError(str(note["problem"]))
    file, row = note.get("file"), note.get("row")
    return (file, row) if isinstance(file, str) and isinstance(row, int) else None


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
        raise DataError(
            "must be a list of {from, value}.",
            file=file,
            row=row,
            key="conversations",
            fix="A recipe reads files of other layouts as `files:` instead of `annotations:`.",
        )
    messages = []
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
        messages.append((speaker, text))
    return tuple(messages)


def turns_of(record: Record, placement: Placement = "first", file: Path | None = None) -> list[Turn]:
    """Questions with their answers.

    Answers before the first question and a last question without an answer are dropped. Questions in a row
    become one question; a second answer in a row answers an empty question.
    """
    turns: list[Turn] = []
    asked = ""
    for speaker, text in _from_the_first_question(record.messages):
        if speaker == "human":
            asked += _placed(text, placement, record, file)
        else:
            turns.append(Turn(question=asked, answer=text))
            asked = ""
    return turns


def _from_the_first_question(messages: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
    first = next((i for i, (speaker, _) in enumerate(messages) if speaker == "human"), len(messages))
    return messages[first:]


def _placed(text: str, placement: Placement, record: Record, file: Path | None = None) -> str:
    """The question with its picture where it belongs."""
    if placement == "image_only":
        if IMAGE not in text:
            what = "the placement `image_only` needs `<image>` in every question."
            raise record.error(what, file, f"Take {ask_for('first')} instead.")
        return IMAGE
    if placement == "as_written" or IMAGE not in text:
        return text
    rest = text.replace(IMAGE, "").strip()
    return f"{IMAGE}\n{rest}".strip()


def check_picture_count(record: Record, placement: Placement, file: Path) -> None:
    """Raise unless the questions show as many pictures as the record names, or none at all."""
    if not record.images:
        return
    marks = [text.count(IMAGE) for speaker, text in record.messages if speaker == "human"]
    shown = sum(marks) if placement == "as_written" else sum(map(bool, marks))
    if shown in (0, len(record.images)):
        return
    fix = "Give each picture one `<image>`."
    if placement != "as_written" and sum(marks) == len(record.images):
        fix = f"Several in one question are allowed by {ask_for('as_written')}."
    raise record.error(
        f"the questions show {shown} pictures, and `image` names {len(record.images)}.", file, fix
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What to do with records and pictures that cannot be used: `fail` at the first, `skip` up to `limit`."""

    action: Literal["fail", "skip"] = "fail"
    limit: int = 100

    def check(self, count: int, last: DataError) -> None:
        """Raise when `count` of them are too many; `last` is the latest one's error."""
        if self.action == "fail":
            raise last
        if count > self.limit:
            raise DataError(
                f"more than {self.limit} could not be used; the last: {last}",
                fix="Mend them (`vlmbench data check` lists them), or raise the limit.",
            ) from last


@dataclass(slots=True)
class Notes:
    """What was done to which records: a count and the first ids of each kind."""

    counts: dict[str, int] = field(default_factory=dict)
    ids: dict[str, list[str]] = field(default_factory=dict)

    def add(self, what: str, name: str) -> None:
        """Count a record or picture under this kind of note."""
        self.counts[what] = self.counts.get(what, 0) + 1
        listed = self.ids.setdefault(what, [])
        if len(listed) < LISTED:
            listed.append(name)

    def as_json(self) -> dict[str, Any]:
        """For a facts file."""
        return {what: {"count": n, "ids": self.ids[what]} for what, n in self.counts.items()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Notes:
        """Back from a facts file."""
        return cls(
            {what: note["count"] for what, note in document.items()},
            {what: list(note["ids"]) for what, note in document.items()},
        )

    def lines(self, show: int = 5) -> list[str]:
        """For a person: the count and the first few ids."""
        return [
            f"{what}: {count} ({', '.join(self.ids[what][:show])}{', ...' if count > show else ''})"
            for what, count in self.counts.items()
        ]


def repeat_file(file: Path, times: int, out: Path) -> int:
    """Write all records of a file `times` over, as JSON or JSON lines by `out`'s ending; returns how many."""
    if out.exists() and out.samefile(file):
        raise UsageError(
            "the repeated records would be written over their own file.",
            file=file,
            fix="Name another place with --out.",
        )
    # A record that was laid out over several lines goes on one, as JSON lines need it.
    records = [" ".join(part.strip() for part in raw.text.split("\n")) for raw in raw_records(file)]
    if not records:
        raise DataError("the file has no records.", file=file)
    for row, text in enumerate(records, 1):
        read_record(text, row, file)
    first, between, end = ("", "\n", "\n") if out.suffix == ".jsonl" else ("[\n", ",\n", "\n]\n")
    with writing(out, "the repeated records", None, "Name another place with --out."):
        out.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(out) as aside, aside.open("w", encoding="utf-8") as target:
            for number in range(times):
                target.write((between if number else first) + between.join(records))
            target.write(end)
    return times * len(records)


def repeated_name(file: Path, times: int) -> Path:
    """Beside the original: `own.json` 200 times is `own_200x.json`."""
    return file.with_name(f"{file.stem}_{times}x{file.suffix}")
