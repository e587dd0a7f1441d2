"""A parquet file of a hub, of which only some columns and only the pictures of some rows are fetched."""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vlmbench.data.hub.remote_file import RandomAccess, RemoteFile, Span
from vlmbench.data.sources.limited.parquet_pages import (
    DAMAGED,
    PageSpan,
    index_spans,
    is_small,
    needs_dictionary,
    pages_of,
    pages_with,
    sparse_chunk,
)
from vlmbench.data.sources.records import BATCH_ROWS, rows_of_batches

_TAIL = 64 * 1024
"""As much of a file's end is fetched first: its footer, mostly."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A column's part of a row group: where it is, and what decoding it needs."""

    group: int
    leaf: int
    first: int
    end: int
    data: int
    """Where its data pages begin; a dictionary page may stand before them."""
    codec: str
    most_levels: int
    plain_bytes: bool
    """Whether each row has one cell of bytes; in place of others no empty page can be put."""


class RemoteParquet:
    """Reads one file. Rows are numbered from 0 in the file."""

    def __init__(self, remote: RemoteFile) -> None:
        self.remote = remote
        self._pages: dict[tuple[int, int], list[PageSpan]] = {}
        self._indices: dict[int, list[Span | None]] = {}

    def fetch_footer(self) -> None:
        """Bring what says where everything is."""
        size = self.remote.file.size
        self.remote.fetch([(max(0, size - _TAIL), size)])
        self.remote.fetch([self._footer])

    @cached_property
    def _footer(self) -> Span:
        size = self.remote.file.size
        end = self.remote.read_at(max(0, size - 8), size)
        if len(end) < 8 or end[4:] != b"PAR1":
            raise ValueError("a parquet file ends in `PAR1`, and this one does not")
        length = struct.unpack("<I", end[:4])[0]
        if length > size - 8:
            raise ValueError("its footer is larger than the file")
        return size - 8 - length, size

    @cached_property
    def opened(self) -> Any:
        """The file as pyarrow sees it. Buffered, so that a row group of gigabytes is not held whole."""
        return self._open(self.remote.opened())

    @staticmethod
    def _open(file: Any) -> Any:
        import pyarrow.parquet as parquet

        return parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)

    @cached_property
    def _groups(self) -> Sequence[range]:
        """The rows of each row group."""
        metadata, found, at = self.opened.metadata, [], 0
        for number in range(metadata.num_row_groups):
            rows = metadata.row_group(number).num_rows
            found.append(range(at, at + rows))
            at += rows
        return found

    def spans(self, names: Collection[str]) -> list[Span]:
        """Where these columns are, of every row."""
        return [
            (chunk.first, chunk.end) for g in range(len(self._groups)) for chunk in self._chunks(g, names)
        ]

    def index_spans(self, names: Collection[str], rows: Collection[int]) -> list[Span]:
        """Where the page indices of these columns are, of the row groups that hold these rows."""
        return [span for chunk in self._touched(names, rows) if (span := self._index(chunk)) is not None]

    def picture_spans(self, names: Collection[str], rows: Collection[int]) -> list[Span]:
        """Where these columns are, of these rows: their pages, where there is an index, else row groups."""
        found: list[Span] = []
        for chunk in self._touched(names, rows):
            pages = self._pages_of(chunk)
            if pages is None:
                found.append((chunk.first, chunk.end))
            else:
                wanted = pages_with(pages, self._inside(chunk.group, rows))
                found += [(page.first, page.end) for page in wanted]
                if any(map(is_small, wanted)):
                    found.append((chunk.first, pages[0].first))
        return found

    def rows(
        self, names: Collection[str], pictures: Collection[str], wanted: Collection[int]
    ) -> Iterator[Mapping[str, Any]]:
        """Every row with the columns `names`, and those that are wanted with the columns `pictures` too."""
        for group, rows in enumerate(self._groups):
            texts = self._values(self.opened, group, names)
            inside = self._inside(group, wanted)
            if not pictures or not inside:
                yield from texts
                continue
            opened = self._open(_overlaid(self.remote, self._sparse(group, pictures, inside)))
            shown = self._values(opened, group, pictures)
            for number, (row, more) in enumerate(zip(texts, shown, strict=True)):
                yield {**row, **more} if rows.start + number in wanted else row

    def _values(self, opened: Any, group: int, names: Collection[str]) -> Iterator[dict[str, Any]]:
        columns = [name for name in opened.schema_arrow.names if name in names]
        batches = opened.iter_batches(BATCH_ROWS, row_groups=[group], columns=columns, use_threads=False)
        return rows_of_batches(batches)

    def _inside(self, group: int, rows: Collection[int]) -> list[int]:
        """Those of the rows that the group holds, by their number in it."""
        there = self._groups[group]
        return [row - there.start for row in sorted(rows) if row in there]

    def _touched(self, names: Collection[str], rows: Collection[int]) -> Iterator[_Chunk]:
        for group in range(len(self._groups)):
            if self._inside(group, rows):
                yield from self._chunks(group, names)

    def _chunks(self, group: int, names: Collection[str]) -> Iterator[_Chunk]:
        about, schema = self.opened.metadata.row_group(group), self.opened.schema
        for leaf in range(about.num_columns):
            column, kind = about.column(leaf), schema.column(leaf)
            if not any(f"{column.path_in_schema}.".startswith(f"{name}.") for name in names):
                continue
            data = column.data_page_offset
            first = min(data, column.dictionary_page_offset) if column.has_dictionary_page else data
            yield _Chunk(
                group=group,
                leaf=leaf,
                first=first,
                end=first + column.total_compressed_size,
                data=data,
                codec=column.compression,
                most_levels=kind.max_definition_level,
                plain_bytes=kind.max_repetition_level == 0 and column.physical_type == "BYTE_ARRAY",
            )

    def _index(self, chunk: _Chunk) -> Span | None:
        if not chunk.plain_bytes:
            return None
        if chunk.leaf not in self._indices:
            first, end = self._footer
            footer = self.remote.read_at(first, end - 8)
            try:
                self._indices[chunk.leaf] = index_spans(footer, chunk.leaf)
            except DAMAGED:
                self._indices[chunk.leaf] = [None] * len(self._groups)
        return self._indices[chunk.leaf][chunk.group]

    def _pages_of(self, chunk: _Chunk) -> list[PageSpan] | None:
        """The pages of a column's part of a row group; None where no index says."""
        key = (chunk.group, chunk.leaf)
        if key not in self._pages and (span := self._index(chunk)) is not None:
            try:
                pages = pages_of(self.remote.read_at(*span), len(self._groups[chunk.group]))
            except DAMAGED:
                pages = []
            if all(chunk.first <= page.first < page.end <= chunk.end for page in pages):
                self._pages[key] = pages
        return self._pages.get(key) or None

    def _sparse(
        self, group: int, names: Collection[str], rows: Sequence[int]
    ) -> list[tuple[int, int, bytes]]:
        """What stands in place of the columns' parts of which some pages only are here."""
        found = []
        for chunk in self._chunks(group, names):
            if (pages := self._pages_of(chunk)) is None:
                continue
            wanted = pages_with(pages, rows)
            coded = any(needs_dictionary(self.remote.read_at(page.first, page.end)) for page in wanted)
            data = sparse_chunk(
                pages,
                wanted,
                self.remote.read_at,
                dictionary=self.remote.read_at(chunk.first, pages[0].first) if coded else b"",
                most_levels=chunk.most_levels,
                codec=chunk.codec,
            )
            if len(data) <= chunk.end - chunk.first:
                found.append((chunk.first, chunk.end, data))
        return found


def _overlaid(remote: RemoteFile, places: Sequence[tuple[int, int, bytes]]) -> RandomAccess:
    """The file with other bytes in some places; zeros follow them to the end of the place."""

    def read_at(first: int, end: int) -> bytes:
        for begin, stop, data in places:
            if begin <= first < stop:
                here = data[first - begin : min(end, stop) - begin].ljust(min(end, stop) - first, b"\0")
                return here + (read_at(stop, end) if end > stop else b"")
        return remote.read_at(first, end)

    return RandomAccess(remote.file.size, read_at)
