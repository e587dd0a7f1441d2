"""Single pages of a column in a parquet file, where the file has a page index.

pyarrow reads a column's part of a row group as a whole: of a hundred pictures all, where one is wanted. A
page index says where each page begins and which rows it holds. `sparse_chunk` puts empty pages in place of
those that nobody wants, so that pyarrow still does all the decoding.

The index and the pages' headers are Thrift structs in its compact protocol; of both only a few fields matter.
"""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_ROW_GROUPS, _COLUMNS, _INDEX_OFFSET, _INDEX_LENGTH = 4, 1, 4, 5
"""Fields of FileMetaData, RowGroup and ColumnChunk."""
_SMALL = 4096
"""Pages of a dictionary's numbers are smaller than the empty page that would be put in their place."""
_DICTIONARY_ENCODINGS = (2, 8)
_DATA_PAGE, _DATA_PAGE_V2 = 5, 8
"""Fields of PageHeader."""
DAMAGED = (IndexError, KeyError, ValueError, TypeError, struct.error, RecursionError)
"""What reading such structs raises where they are damaged."""


@dataclass(frozen=True, slots=True)
class PageSpan:
    """A data page. Rows are numbered from 0 in their row group."""

    first: int
    """The first byte of its header."""
    end: int
    rows: range


def index_spans(footer: bytes, leaf: int) -> list[tuple[int, int] | None]:
    """For each row group where the page index of a column is; None where it has none."""
    metadata, _ = _read_struct(footer, 0)
    columns = [group[_COLUMNS][leaf] for group in metadata[_ROW_GROUPS]]
    return [
        (column[_INDEX_OFFSET], column[_INDEX_OFFSET] + column[_INDEX_LENGTH])
        if _INDEX_LENGTH in column
        else None
        for column in columns
    ]


def pages_of(index: bytes, rows: int) -> list[PageSpan]:
    """The pages that an index lists, of a row group with so many rows."""
    located, _ = _read_struct(index, 0)
    places = [(place[1], place[2], place[3]) for place in located[1]]
    begins = [first for _, _, first in places]
    if begins[:1] != [0] or begins != sorted(begins) or begins[-1] >= rows:
        raise ValueError("the page index does not fit its row group")
    ends = [*begins[1:], rows]
    return [PageSpan(at, at + size, range(a, b)) for (at, size, a), b in zip(places, ends, strict=True)]


def pages_with(pages: Sequence[PageSpan], rows: Collection[int]) -> list[PageSpan]:
    """Those that hold one of these rows."""
    begins = [page.rows.start for page in pages]
    return [pages[number] for number in sorted({bisect_right(begins, row) - 1 for row in rows})]


def is_small(page: PageSpan) -> bool:
    """Whether a page of pictures can only hold numbers of a dictionary, which stands before all pages."""
    return page.end - page.first <= 128 + 4 * len(page.rows)


def needs_dictionary(page: bytes) -> bool:
    """Whether a page holds numbers of a dictionary instead of values."""
    header, _ = _read_struct(page, 0)
    if _DATA_PAGE_V2 in header:
        return header[_DATA_PAGE_V2][4] in _DICTIONARY_ENCODINGS
    return header[_DATA_PAGE][2] in _DICTIONARY_ENCODINGS


def sparse_chunk(
    pages: Sequence[PageSpan],
    wanted: Collection[PageSpan],
    read: Callable[[int, int], bytes],
    *,
    dictionary: bytes,
    most_levels: int,
    codec: str,
) -> bytes:
    """A column's part of a row group, in which rows of other pages than the wanted are empty.

    `dictionary` is that page, empty where no wanted page needs it. `most_levels` is the column's greatest
    definition level, `codec` how it is compressed.
    """
    found, empty = bytearray(dictionary), 0
    for page in pages:
        if page in wanted or (dictionary and page.end - page.first <= _SMALL):
            if empty:
                found += _empty_page(empty, most_levels, codec)
                empty = 0
            found += read(page.first, page.end)
        else:
            empty += len(page.rows)
    if empty:
        found += _empty_page(empty, most_levels, codec)
    return bytes(found)


def _empty_page(rows: int, most_levels: int, codec: str) -> bytes:
    """A page of cells without a value, or of empty ones where a cell must have a value."""
    if most_levels:
        # One run of the level below the greatest: the struct around the value is there, the value is not.
        run = _varint(rows << 1) + bytes([most_levels - 1])
        body = struct.pack("<I", len(run)) + run
    else:
        body = bytes(4 * rows)
    sent = body if codec == "UNCOMPRESSED" else _compressed(body, codec)
    # The type 0 is a data page; its encodings are plain, and runs for both kinds of levels.
    about = bytes([2 << 4 | _STRUCT]) + _fields(rows, 0, 3, 3) + b"\0\0"
    return _fields(0, len(body), len(sent)) + about + sent


def _compressed(body: bytes, codec: str) -> bytes:
    import pyarrow as pa

    name = "lz4_raw" if codec == "LZ4" else codec.lower()
    found: bytes = pa.Codec(name).compress(body, asbytes=True)
    return found


def _fields(*values: int) -> bytes:
    """The fields 1, 2, 3, … of a struct."""
    return b"".join(bytes([1 << 4 | _I32]) + _varint(value << 1) for value in values)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def _read_struct(data: bytes, at: int) -> tuple[dict[int, Any], int]:
    """The fields of a struct by number, and where it ends."""
    found: dict[int, Any] = {}
    number = 0
    while (head := data[at]) != 0:
        at += 1
        kind, step = head & 15, head >> 4
        if step:
            number += step
        else:
            raw, at = _read_varint(data, at)
            number = raw >> 1 ^ -(raw & 1)
        if kind in (_TRUE, _FALSE):
            found[number] = kind == _TRUE
        else:
            found[number], at = _read_value(data, at, kind)
    return found, at + 1


def _read_value(data: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (_I16, _I32, _I64):
        raw, at = _read_varint(data, at)
        return raw >> 1 ^ -(raw & 1), at
    if kind == _BINARY:
        size, at = _read_varint(data, at)
        return data[at : at + size], at + size
    if kind in (_LIST, _SET):
        return _read_list(data, at)
    if kind == _STRUCT:
        return _read_struct(data, at)
    if kind in (_TRUE, _FALSE, _BYTE):  # in a list a truth has a byte of its own
        return data[at], at + 1
    if kind == _DOUBLE:
        return None, at + 8
    raise ValueError(f"a Thrift type {kind}")


def _read_list(data: bytes, at: int) -> tuple[list[Any], int]:
    head = data[at]
    at += 1
    size, kind = head >> 4, head & 15
    if size == 15:
        size, at = _read_varint(data, at)
    found = []
    for _ in range(size):
        value, at = _read_value(data, at, kind)
        found.append(value)
    return found, at
