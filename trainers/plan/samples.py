"""How many samples a mixture has and how long their text is: from files that are here, else as published."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal, NamedTuple

from vlmbench.errors import DataError
from vlmbench.trainers.data.json_stream import raw_records
from vlmbench.trainers.data.records import read_record
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
    return tuple(_planned(source) for source in data.sources)


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
    if source.samples is None:
        return SourcePlan(name=name, samples=0, samples_from="unknown", problem=problem)
    samples = min(source.samples, source.most or source.samples)
    return SourcePlan(name=name, samples=samples, samples_from="published", problem=problem)


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
    if refused and problem is None:
        many = f"{len(refused):,} of the first {records:,} records"
        problem = f"{many} cannot be used (`vlmbench data check` lists them); {refused[0]}"
    return Head(
        records=records,
        tokens=sum(lengths) / len(lengths) / BYTES_PER_TOKEN if lengths else None,
        problem=problem,
    )
