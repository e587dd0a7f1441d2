"""The rows of webdataset shards: what a sample's JSON and texts hold, its pictures, and its key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from vlmbench.data.disk import FIRST_BYTES, check_download
from vlmbench.data.sources.column import Column, columns_of_values
from vlmbench.data.sources.records import SEEN, DatasetRow, readable
from vlmbench.data.sources.webdataset import Member, TarSample, member_bytes, shown_pictures, tar_samples
from vlmbench.errors import DataError
from vlmbench.plain_text import visible

KEY, PICTURES = "__key__", "image"
_ReadMember: TypeAlias = Callable[[BinaryIO, Member], bytes]
_HELD = ("images", "image")
"""Where JSON names the pictures beside it, or holds its own."""


@dataclass(frozen=True)
class TarRecords:
    """The samples of shards, one shard after another."""

    path: Path
    files: tuple[Path, ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """By the values of the first samples."""
        return columns_of_values([row.values for row in islice(self._rows(_nothing), SEEN)])

    def rows(self, names: Collection[str] | None = None) -> Iterator[DatasetRow]:
        """Every sample in order. A shard that cannot be read to its end is a DataError that names it."""
        shown = names is None or PICTURES in names
        for row in self._rows(member_bytes if shown else _nothing):
            kept = {name: value for name, value in row.values.items() if names is None or name in names}
            yield DatasetRow(row.number, row.place, kept)

    def _rows(self, read: _ReadMember) -> Iterator[DatasetRow]:
        number = 0
        for file in self.files:
            with readable(file), file.open("rb") as opened:
                check_download(opened.read(FIRST_BYTES), file)
                for sample in tar_samples(file):
                    if sample.problem:
                        raise DataError(sample.problem, file=file)
                    number += 1
                    place = f"sample `{visible(sample.key)}` of {file.name}"
                    yield DatasetRow(number, place, _values(sample, opened, read))


def _values(sample: TarSample, opened: BinaryIO, read: _ReadMember) -> dict[str, Any]:
    values = {KEY: sample.key} | dict(sample.columns)
    held = next((values[name] for name in _HELD if values.get(name) is not None), None)
    found = shown_pictures(held, sample.members)
    # A picture that the shard lacks stays a name, which becomes this row's problem.
    listed = [found] if isinstance(found, str) else found
    values = {name: value for name, value in values.items() if name not in _HELD}
    pictures = [read(opened, one) if isinstance(one, Member) else one for one in listed]
    return values | ({PICTURES: pictures} if pictures else {})


def _nothing(_: BinaryIO, __: Member) -> bytes:
    """In place of a picture that nobody looks at."""
    return b""
