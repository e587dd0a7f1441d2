"""Datasets that are objects of this process: those of `datasets`, and DataFrames with pictures in cells."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

from vlmbench.data.image_cells import UnreadablePicture
from vlmbench.data.sources.column import Column, columns_of_schema, columns_of_values, is_list, is_pixels
from vlmbench.data.sources.pictures import png
from vlmbench.data.sources.records import BATCH_ROWS, SEEN, DatasetRow, Records, rows_of_batches
from vlmbench.errors import UsageError
from vlmbench.plain_text import visible


def records_of(given: object) -> Records:
    """The rows of an object; a UsageError where it is none that has rows."""
    if hasattr(given, "select_columns") and hasattr(given, "with_format") and hasattr(given, "__len__"):
        return HubObject(given)
    if hasattr(given, "columns") and hasattr(given, "iloc"):
        return Frame(given)
    if isinstance(given, Mapping):
        splits = ", ".join(visible(str(name), 40) for name in list(given)[:12])
        raise UsageError(f"this is a mapping of splits ({splits}).", key="benchmark", fix="Give one of them.")
    kind = type(given).__name__
    raise UsageError(
        f"a {kind} is no benchmark.",
        key="benchmark",
        fix="Give a name, a path, a datasets.Dataset, a DataFrame or an object of the Benchmark protocol.",
    )


@dataclass(frozen=True)
class HubObject:
    """A `datasets.Dataset`; its pictures are read as the bytes that it holds, and never decoded by it."""

    dataset: Any

    @property
    def path(self) -> Path:
        """What errors call it."""
        return Path(str(getattr(self.dataset.info, "dataset_name", None) or "Dataset"))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """By its features."""
        return columns_of_schema(self.dataset.features.arrow_schema)

    def rows(self, names: Collection[str] | None = None) -> Iterator[DatasetRow]:
        """Every row in order."""
        kept = [column.name for column in self.columns if names is None or column.name in names]
        tables = self.dataset.select_columns(kept).with_format("arrow").iter(BATCH_ROWS)
        batches = chain.from_iterable(table.to_batches() for table in tables)
        for number, values in enumerate(rows_of_batches(batches), 1):
            yield DatasetRow(number, f"row {number}", values)


@dataclass(frozen=True)
class Frame:
    """A DataFrame. A cell may hold a picture as bytes, as Pillow's picture, or by its path."""

    frame: Any

    @property
    def path(self) -> Path:
        """What errors call it."""
        return Path("DataFrame")

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """By the values of the first rows."""
        first = Frame(self.frame.head(SEEN))
        return columns_of_values([record.values for record in first.rows()])

    def rows(self, names: Collection[str] | None = None) -> Iterator[DatasetRow]:
        """Every row in order; cells that pandas counts as missing are None."""
        kept = [name for name in self.frame.columns if names is None or str(name) in names]
        cells = [
            [None if gone else value for value, gone in zip(self.frame[n], self.frame[n].isna(), strict=True)]
            for n in kept
        ]
        for number, values in enumerate(zip(*cells, strict=True), 1):
            yield DatasetRow(number, f"row {number}", dict(zip(map(str, kept), values, strict=True)))


def digest_of(records: Records) -> str:
    """An MD5 of every cell, in order."""
    digest = hashlib.md5(usedforsecurity=False)
    for record in records.rows():
        for piece in _pieces(record.values):
            digest.update(len(piece).to_bytes(8, "little"))
            digest.update(piece)  # apart, so that a picture is not copied
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[bytes | bytearray | memoryview]:
    if isinstance(value, (bytes, bytearray, memoryview)):
        yield value
    elif is_pixels(value):
        with suppress(UnreadablePicture):  # the row's problem, once it is shown
            yield png(value)
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield str(name).encode("utf-8", "surrogatepass")
            yield from _pieces(member)
    elif is_list(value):
        yield b"[%d" % len(value)
        for member in value:
            yield from _pieces(member)
    else:
        yield str(value).encode("utf-8", "surrogatepass")
