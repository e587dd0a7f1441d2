"""Single pages of a column of pictures, decoded by pyarrow as a row group with holes."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vlmbench.data.sources.limited.parquet_pages import (
    DAMAGED,
    index_spans,
    needs_dictionary,
    pages_of,
    pages_with,
    sparse_chunk,
)

ROWS, WANTED = 40, (5, 31)
PICTURES = [random.Random(n).randbytes(3_000) for n in range(2 * ROWS)]
KINDS = {
    "struct": pa.field("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])),
    "bytes": pa.field("image", pa.binary()),
    "required": pa.field("image", pa.binary(), nullable=False),
    "long": pa.field("image", pa.large_binary()),
}
WAYS: dict[str, dict[str, Any]] = {
    "plain": {"use_dictionary": False, "data_page_size": 10_000},
    "dictionary": {"data_page_size": 1},
    "second": {"use_dictionary": False, "data_page_size": 1, "data_page_version": "2.0"},
    "chunked": {
        "use_dictionary": False,
        "use_content_defined_chunking": {"min_chunk_size": 4_000, "max_chunk_size": 9_000},
    },
}


def written(kind: str, **options: Any) -> bytes:
    """Two row groups."""
    shown = [{"bytes": p, "path": f"{n}.png"} if kind == "struct" else p for n, p in enumerate(PICTURES)]
    schema = pa.schema([("question", pa.string()), KINDS[kind]])
    table = pa.table({"question": [str(n) for n in range(2 * ROWS)], "image": shown}, schema=schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=ROWS, write_page_index=True, write_batch_size=1, **options)
    return sink.getvalue()


def footer_of(data: bytes) -> bytes:
    length = struct.unpack("<I", data[-8:-4])[0]
    return data[-8 - length : -8]


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip", "brotli", "lz4"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_wanted_rows_are_read_from_their_pages_alone(kind: str, way: str, compression: str) -> None:
    data = written(kind, compression=compression, **WAYS[way])
    with pq.ParquetFile(io.BytesIO(data)) as file:
        column, most = file.metadata.row_group(1).column(1), file.schema.column(1).max_definition_level
    first, end = index_spans(footer_of(data), 1)[1] or (0, 0)
    pages = pages_of(data[first:end], ROWS)
    wanted = pages_with(pages, WANTED)
    assert len(wanted) == 2
    assert len(pages) > 4
    start = column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset
    coded = any(needs_dictionary(data[page.first : page.end]) for page in wanted)
    assert coded == (way == "dictionary")
    chunk = sparse_chunk(
        pages,
        wanted,
        lambda a, b: data[a:b],
        dictionary=data[start : pages[0].first] if coded else b"",
        most_levels=most,
        codec=column.compression,
    )
    room = column.total_compressed_size
    holey = data[:start] + chunk.ljust(room, b"\0") + data[start + room :]
    with pq.ParquetFile(io.BytesIO(holey), buffer_size=1 << 16) as file:
        cells = file.read_row_group(1, columns=["image"])["image"].to_pylist()
    assert len(cells) == ROWS
    for row in WANTED:
        found = cells[row]["bytes"] if kind == "struct" else cells[row]
        assert found == PICTURES[ROWS + row]
    if way != "dictionary":
        empty = cells[15]["bytes"] if kind == "struct" else cells[15]
        assert not empty


def test_a_file_without_an_index_has_no_spans() -> None:
    sink = io.BytesIO()
    pq.write_table(pa.table({"image": PICTURES}), sink, row_group_size=ROWS)
    assert index_spans(footer_of(sink.getvalue()), 0) == [None, None]


def test_a_damaged_index_raises_what_is_caught() -> None:
    data = written("bytes", **WAYS["plain"])
    first, end = index_spans(footer_of(data), 1)[0] or (0, 0)
    noise = random.Random(0)
    for _ in range(300):
        broken = bytearray(data[first:end])
        for _ in range(3):
            broken[noise.randrange(len(broken))] = noise.randrange(256)
        try:
            pages = pages_of(bytes(broken), ROWS)
        except DAMAGED:
            continue
        assert pages[0].rows.start == 0
        assert pages[-1].rows.stop == ROWS
    with pytest.raises(DAMAGED):
        pages_of(data[first : first + 5], ROWS)
