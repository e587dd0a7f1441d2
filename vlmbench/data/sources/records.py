"""Rows of a dataset as Python values, a batch at a time: from parquet, Arrow, JSON Lines or separated files.

Numbers, lists and mappings stay what they are; a picture is bytes, a mapping of bytes and path, or a path.
Bytes from parquet or Arrow are views into the batch that was read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import islice, pairwise, repeat
from pathlib import Path
from typing import Any, Protocol

from vlmbench.data.ahead import ahead
from vlmbench.data.disk import FIRST_BYTES, check_download
from vlmbench.data.sources.column import Column, columns_of_schema, columns_of_values
from vlmbench.data.tsv import MAX_ROW, read_rows
from vlmbench.errors import DataError
from vlmbench.files.json_files import kind_of, read_json

BATCH_ROWS = 64
"""Of rows read at a time: pictures of a megabyte make it 64 MB."""
BATCH_BYTES = 8 * 1024 * 1024
"""Of parquet, whose sizes are known, read at a time."""
SEEN = 200
"""Rows by which the types of a file without a schema are known."""


@dataclass(frozen=True, slots=True)
class DatasetRow:
    """One row."""

    number: int
    """1 for the first row of the dataset."""
    place: str
    """Where it stands, for errors: `row 3 of test-00000.parquet`."""
    values: Mapping[str, Any]


class Records(Protocol):
    """A dataset's rows, which can be gone through several times."""

    @property
    def path(self) -> Path:
        """The file or folder that errors name."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """What a row holds."""

    def rows(self, names: Collection[str] | None = None) -> Iterator[DatasetRow]:
        """Every row in order, with these columns only; what is not named need not be read."""


@dataclass(frozen=True)
class FileRecords:
    """The rows of files, one after another."""

    path: Path
    files: tuple[Path, ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Of the first file; columns of later files must be among them."""
        first = self.files[0]
        check_download(_head(first), first)
        with readable(first):
            if (schema := _schema(first)) is not None:
                return columns_of_schema(schema)
            return columns_of_values([values for _, values in islice(_texts(first), SEEN)])

    def rows(self, names: Collection[str] | None = None) -> Iterator[DatasetRow]:
        """Every row in order. A file that cannot be read to its end is a DataError that names it."""
        number = 0
        for file in self.files:
            with readable(file):
                check_download(_head(file), file)
                batches = _batches(file, names)
                of_file = f" of {file.name}" if len(self.files) > 1 else ""
                for place, values in _texts(file) if batches is None else _numbered(ahead(batches)):
                    number += 1
                    yield DatasetRow(number, f"{place}{of_file}", values)


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(FIRST_BYTES)


@contextmanager
def readable(file: Path) -> Iterator[None]:
    """Turn what readers raise about a broken file into a DataError that names it."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError, csv.Error) as error:
        why = " ".join(str(error).split())[:200]
        raise DataError(
            f"the file is damaged or of another format: {why}.", file=file, fix="Download or write it again."
        ) from error


def _schema(file: Path) -> Any:
    """The Arrow schema; None of a file of text."""
    import pyarrow.parquet as parquet

    match file.suffix.lower():
        case ".parquet":
            return parquet.read_schema(file)
        case ".arrow":
            with _arrow(file) as reader:
                return reader.schema
    return None


def _batches(file: Path, names: Collection[str] | None) -> Iterator[Any] | None:
    match file.suffix.lower():
        case ".parquet":
            return _parquet_batches(file, names)
        case ".arrow":
            return _arrow_batches(file, names)
    return None


def _parquet_batches(file: Path, names: Collection[str] | None) -> Iterator[Any]:
    import pyarrow.parquet as parquet

    # Buffered, and not all ranges at once (`pre_buffer`): else a file of gigabytes is held whole.
    with parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False) as opened:
        there = opened.schema_arrow.names
        columns = [name for name in there if names is None or name in names]
        for number in range(opened.num_row_groups):
            rows = _rows_at_a_time(opened.metadata.row_group(number), columns)
            yield from opened.iter_batches(rows, row_groups=[number], columns=columns, use_threads=False)


def _rows_at_a_time(group: Any, names: Collection[str]) -> int:
    """As many as hold `BATCH_BYTES` in these columns."""
    starts = tuple(f"{name}." for name in names)
    parts = map(group.column, range(group.num_columns))
    size = sum(p.total_uncompressed_size for p in parts if f"{p.path_in_schema}.".startswith(starts))
    rows = BATCH_BYTES * group.num_rows // max(1, size)
    return max(1, min(1024, int(rows)))


@contextmanager
def _arrow(file: Path) -> Iterator[Any]:
    """A reader of either kind of Arrow file; `datasets` writes streams, others write files."""
    import pyarrow as pa

    # Read rather than mapped: of a mapped file every page once seen counts as this process's memory.
    with pa.OSFile(str(file)) as opened:
        try:
            reader = pa.ipc.open_file(opened)
        except pa.ArrowInvalid:
            opened.seek(0)
            reader = pa.ipc.open_stream(opened)
        yield reader


def _arrow_batches(file: Path, names: Collection[str] | None) -> Iterator[Any]:
    with _arrow(file) as reader:
        whole = hasattr(reader, "get_batch")
        batches = map(reader.get_batch, range(reader.num_record_batches)) if whole else reader
        kept = [name for name in reader.schema.names if names is None or name in names]
        for batch in batches:
            for start in range(0, batch.num_rows, BATCH_ROWS):
                yield batch.select(kept).slice(start, BATCH_ROWS)


def _numbered(batches: Iterator[Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    return ((f"row {number}", values) for number, values in enumerate(rows_of_batches(batches), 1))


def rows_of_batches(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """The rows of Arrow's record batches; their bytes are views into the batch."""
    for batch in batches:
        names = batch.schema.names
        columns = [_values(column) for column in batch.columns]
        for values in zip(*columns, strict=True) if columns else [()] * batch.num_rows:
            yield dict(zip(names, values, strict=True))


def _values(column: Any) -> list[Any]:
    """As `to_pylist`, but that pictures are views: copying each one costs as much as reading it."""
    import pyarrow.types as types

    kind = column.type
    if types.is_binary(kind) or types.is_large_binary(kind):
        return [None if (b := cell.as_buffer()) is None else memoryview(b).cast("B") for cell in column]
    if types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        names = [field.name for field in kind]
        members = zip(*(_values(column.field(i)) for i in range(kind.num_fields)), strict=True)
        found = (dict(zip(names, values, strict=True)) for values in members)
        return [value if there else None for value, there in zip(found, _is_there(column), strict=True)]
    if types.is_list(kind) or types.is_large_list(kind):
        # Not `flatten`, which first imports `pyarrow.compute`: 0.1 s.
        ends = column.offsets.to_pylist()
        flat = _values(column.values.slice(ends[0], ends[-1] - ends[0]))
        spans = ((start - ends[0], end - ends[0]) for start, end in pairwise(ends))
        return [flat[a:b] if there else None for (a, b), there in zip(spans, _is_there(column), strict=True)]
    plain: list[Any] = column.to_pylist()
    return plain


def _is_there(column: Any) -> Iterable[bool]:
    """Of each value, whether it is not None."""
    return (cell.is_valid for cell in column) if column.null_count else repeat(True, len(column))


def _texts(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    match file.suffix.lower():
        case ".jsonl":
            return _json_lines(file)
        case ".json":
            return _json_list(file)
        case ".tsv":
            return ((f"line {row.line}", row.by_column()) for row in read_rows(file))
    return _separated(file)


def _json_lines(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield f"line {number}", _object(file, number, line)


def _object(file: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"line {number} is not JSON: {error}.", file=file, row=number) from None
    if not isinstance(found, dict):
        raise DataError(f"line {number} is {kind_of(found)}, and each line must be an object.", file=file)
    return found


def _json_list(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    found = read_json(file)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise DataError("must be a list of objects, or JSON Lines under the suffix .jsonl.", file=file)
    return ((f"row {number}", row) for number, row in enumerate(found, 1))


def _separated(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    # A picture in base64 is longer than the 128 kB that csv allows, for the whole process, until this is set.
    csv.field_size_limit(max(MAX_ROW, csv.field_size_limit()))
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for row in (reader := csv.DictReader(opened)):
            values = {name: text for name, text in row.items() if name is not None}
            yield f"line {reader.line_num}", values


def first_rows(records: Records, count: int) -> Sequence[DatasetRow]:
    """Some rows from the beginning."""
    return list(islice(records.rows(), count))
