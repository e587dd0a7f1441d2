"""How many samples a mixture has and how long their text is: from files that are here, else as published."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Literal, NamedTuple

from vlmbench.errors import DataError
from vlmbench.trainers.data.json_stream import raw_records
from vlmbench.trainers.data.records import read_record
from vlmbench.trainers.data.shards.counting import count_samples, first_conversations
from vlmbench.trainers.data.shards.shard_list import is_record_set, shards_of
from vlmbench.trainers.plan.disk import known_rows, streaming_note
from vlmbench.trainers.plan.sizes import parts
from vlmbench.trainers.recipe.model import Data, Recipe, Source

SamplesFrom = Literal["file", "published", "drawn", "unknown"]

_NAME = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NAMES = _NAME.pattern + rb"|\[\s*" + _NAME.pattern + rb"(?:\s*,\s*" + _NAME.pattern + rb")*\s*\]"
_RECORD = re.compile(rb'"conversations"\s*:')
_PICTURES = re.compile(rb'"image"\s*:\s*(' + _NAMES + rb")")
_BLOCK = 1 << 24
_CUT = 1 << 16
"""Bytes that what a block cuts in two may have."""
_SAMPLE = 1 << 20
"""Bytes of a file from whose records the length of all is estimated."""
BYTES_PER_TOKEN = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePlan:
    """One source in numbers."""

    name: str
    samples: int
    samples_from: SamplesFrom
    text_tokens: float | None = None
    """A record's, about, where its file is here."""
    pictures: float = 1.0
    """A record's."""
    problem: str | None = None
    """Why the file that is here is not what training needs."""
    note: str | None = None
    """What is downloaded, and what of it stays on the disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Of one epoch."""

    pictures: int
    text: int
    at_most: bool
    """The text is not known and counted as long as the recipe lets it be."""

    @property
    def total(self) -> int:
        """Positions in all."""
        return self.pictures + self.text


def source_plans(data: Data) -> tuple[SourcePlan, ...]:
    """Every source of a mixture."""
    return tuple(replace(_planned(source), note=streaming_note(source, data)) for source in data.sources)


def tokens(recipe: Recipe, sources: tuple[SourcePlan, ...]) -> Tokens:
    """Positions of an epoch; a sample that is not here yet is taken to have one picture."""
    picture = parts(recipe)[1].picture_tokens
    most = recipe.data.max_length - 1
    if recipe.data.max_positions is not None:
        most = min(most, recipe.data.max_positions - picture)
    shown = sum(source.samples * source.pictures for source in sources)
    text = sum(
        source.samples * (most if source.text_tokens is None else min(most, source.text_tokens))
        for source in sources
    )
    unknown = any(source.text_tokens is None for source in sources)
    return Tokens(pictures=round(shown) * picture, text=round(text), at_most=unknown)


def packed_rows(seen: Tokens, room: int) -> int:
    """Rows of so many positions that an epoch fills; packing leaves little room in them."""
    return ceil(seen.total / room)


def _planned(source: Source) -> SourcePlan:
    name = source.annotations or source.kind
    if source.kind == "shapes":
        return SourcePlan(name=name, samples=source.samples or 0, samples_from="drawn")
    if is_record_set(source):
        return _planned_set(source)
    path = Path(source.annotations or "").expanduser()
    problem = None
    if source.kind == "llava" and path.is_file():
        head = read_head(path)
        problem = head.problem
        count, pictures = count_records(path) if head.records or not problem else RecordCounts(0, 0)
        if count:
            return SourcePlan(
                name=name,
                samples=min(count, source.most or count),
                samples_from="file",
                text_tokens=head.tokens,
                pictures=pictures / count,
                problem=problem,
            )
        problem = problem or str(DataError("the file has no records.", file=path))
    return _published(source, name, problem)


def _published(source: Source, name: str, problem: str | None, known: int | None = None) -> SourcePlan:
    """As the recipe has it, or as is known of it."""
    count = source.samples or known
    if count is None:
        return SourcePlan(name=name, samples=0, samples_from="unknown", problem=problem)
    return SourcePlan(
        name=name, samples=min(count, source.most or count), samples_from="published", problem=problem
    )


def _planned_set(source: Source) -> SourcePlan:
    """Shards that are here are counted; of a hub's dataset, what its card says, and nothing is downloaded."""
    name = source.files or source.hf or str(source.ms)
    try:
        if source.files is None:
            return _published(source, name, None, known=known_rows(source))
        shards = list(shards_of(source).files)
        count = sum(map(count_samples, shards))
        found = list(first_conversations(shards[0], source.map))
    except DataError as error:
        return _published(source, name, str(error))
    read = [one for one in found if not isinstance(one, DataError)]
    refused = [one for one in found if isinstance(one, DataError)]
    length = sum(len(message["value"].encode()) for one in read for message in one.messages)
    return SourcePlan(
        name=name,
        samples=min(count, source.most or count),
        samples_from="file",
        text_tokens=length / len(read) / BYTES_PER_TOKEN if read else None,
        pictures=sum(len(one.pictures) for one in read) / len(read) if read else 1.0,
        problem=_refused(refused, len(found)),
    )


def _refused(refused: Sequence[Exception | str], records: int) -> str | None:
    if not refused:
        return None
    many = f"{len(refused):,} of the first {records:,} records"
    return f"{many} cannot be used (`vlmbench data check` lists them); {refused[0]}"


class RecordCounts(NamedTuple):
    """What a LLaVA file holds."""

    records: int
    pictures: int
    """That records name, one that several name each time."""


def count_records(path: Path) -> RecordCounts:
    """Counted by their keys, without reading the file into memory."""
    found, pictures, rest = 0, 0, b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            text = rest + block
            records, shown = list(_RECORD.finditer(text)), list(_PICTURES.finditer(text))
            found += len(records)
            pictures += sum(len(_NAME.findall(match[1])) for match in shown)
            # What a block cuts in two is seen with the next one, and nothing twice.
            ends = [matches[-1].end() for matches in (records, shown) if matches]
            rest = text[max(*ends, len(text) - _CUT, 0) :]
    return RecordCounts(found, pictures)


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What the first records of a file are like."""

    records: int
    tokens: float | None
    """A record's, about: bytes over four of its turns."""
    problem: str | None


def read_head(path: Path) -> Head:
    """The first records as training reads them; what training would refuse becomes `problem`."""
    lengths: list[int] = []
    refused: list[str] = []
    problem = None
    try:
        for raw in raw_records(path):
            try:
                messages = read_record(raw.text, raw.row, path).messages
                lengths.append(sum(len(text.encode()) for _, text in messages))
            except DataError as error:
                refused.append(str(error))
            if raw.read > _SAMPLE:
                break
    except DataError as error:
        problem = str(error)
    records = len(lengths) + len(refused)
    problem = problem or _refused(refused, records)
    return Head(
        records=records,
        tokens=sum(lengths) / len(lengths) / BYTES_PER_TOKEN if lengths else None,
        problem=problem,
    )
