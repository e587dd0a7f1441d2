"""The samples of a shard, one at a time and with the columns that it has: parquet, Arrow, JSON, webdataset.

A shard that breaks off is a DataError that names it and the sample up to which it can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any, BinaryIO

from vlmbench.data.disk import FIRST_BYTES, check_download
from vlmbench.data.sources.records import BATCH_ROWS, FileRecords, readable
from vlmbench.data.sources.webdataset import Member, tar_samples
from vlmbench.errors import DataError
from vlmbench.trainers.data.json_stream import raw_records
from vlmbench.trainers.data.records import parsed


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardSample:
    """One sample as its shard has it."""

    row: int
    """Its place in the shard, from 1."""
    key: str | None = None
    """Of a webdataset sample: what its members' names have in common."""
    columns: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[Member, ...] = ()
    """Of a webdataset sample: its pictures, in the order of the shard."""
    problem: DataError | None = None
    """Why there are no columns."""


def shard_format(path: Path) -> str:
    """parquet, arrow, json or tar: how a shard is read."""
    ending = path.suffix.lower()
    if ending in _READERS:
        return "json" if ending == ".jsonl" else ending[1:]
    fix = "Unpack it first." if ending in (".gz", ".tgz", ".zst", ".zip", ".bz2", ".xz") else None
    known = ", ".join(_READERS)
    raise DataError(f"training data is read from {known} files, not `{ending}`.", file=path, fix=fix)


def is_table(path: Path) -> bool:
    """Whether it is parquet or Arrow, whose pictures cannot be opened where they are."""
    return shard_format(path) in ("parquet", "arrow")


def read_shard(path: Path) -> Iterator[ShardSample]:
    """Every sample in the order of the shard."""
    shard_format(path)
    try:
        with path.open("rb") as file:
            check_download(file.read(FIRST_BYTES), path)
        yield from _READERS[path.suffix.lower()](path)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror or error}.", file=path) from error


def read_texts(path: Path, opened: BinaryIO | None = None) -> Iterator[ShardSample]:
    """The same without the bytes of pictures where a parquet file has them in a column of their own.

    `opened`: the file, where it is somewhere else than at `path`.
    """
    if shard_format(path) != "parquet":
        yield from read_shard(path)
        return
    import pyarrow.parquet as pq

    row = 0
    with readable(path), pq.ParquetFile(opened or path) as file:
        for batch in file.iter_batches(BATCH_ROWS, columns=_texts_of(file), use_threads=False):
            for values in batch.to_pylist():
                row += 1
                yield ShardSample(row=row, columns=values)


@dataclass(frozen=True, slots=True)
class TextSpans:
    """What `read_texts` reads of a parquet file."""

    spans: tuple[tuple[int, int], ...]
    """The first byte of each piece, and the one after its last."""
    rest: int
    """Bytes of all other columns, when they are not compressed."""


def text_spans(path: Path, opened: BinaryIO | None = None) -> TextSpans:
    """From the footer of a parquet file."""
    import pyarrow.parquet as pq

    with readable(path), pq.ParquetFile(opened or path) as file:
        texts, known = set(_texts_of(file)), file.metadata
        pieces = [
            known.row_group(group).column(column)
            for group in range(known.num_row_groups)
            for column in range(known.num_columns)
        ]
    read = [piece for piece in pieces if piece.path_in_schema in texts]
    starts = [min(piece.dictionary_page_offset or inf, piece.data_page_offset) for piece in read]
    return TextSpans(
        tuple((int(s), int(s) + piece.total_compressed_size) for s, piece in zip(starts, read, strict=True)),
        sum(piece.total_uncompressed_size for piece in pieces if piece.path_in_schema not in texts),
    )


def _texts_of(file: Any) -> list[str]:
    """Every leaf column but the bytes of a picture as `datasets` stores it: {bytes, path}."""
    leaves = [file.schema.column(number) for number in range(len(file.schema))]
    named: dict[str, set[str]] = {}
    for leaf in leaves:
        named.setdefault(leaf.path.removesuffix(leaf.name), set()).add(leaf.name)
    pictures = {f"{above}bytes" for above, names in named.items() if above and names == {"bytes", "path"}}
    return [leaf.path for leaf in leaves if leaf.path not in pictures]


def _json(path: Path) -> Iterator[ShardSample]:
    for raw in raw_records(path):
        try:
            columns = parsed(raw.text, raw.row, path)
            if not isinstance(columns, dict):
                raise DataError("a record is an object with named values.")
        except DataError as error:
            yield ShardSample(row=raw.row, problem=error)
        else:
            yield ShardSample(row=raw.row, columns=columns)


def _table(path: Path) -> Iterator[ShardSample]:
    row = 0
    try:
        for record in FileRecords(path, (path,)).rows():
            row = record.number
            yield ShardSample(row=row, columns=record.values)
    except DataError as error:
        if not row:
            raise
        raise DataError(f"after row {row}, {error.what}", file=path, fix=error.fix) from error


def _tar(path: Path) -> Iterator[ShardSample]:
    for row, sample in enumerate(tar_samples(path), 1):
        if sample.problem:
            yield ShardSample(row=row, key=sample.key, problem=DataError(sample.problem))
        else:
            yield ShardSample(row=row, key=sample.key, columns=sample.columns, members=sample.members)


_READERS: Mapping[str, Callable[[Path], Iterator[ShardSample]]] = {
    ".parquet": _table,
    ".arrow": _table,
    ".json": _json,
    ".jsonl": _json,
    ".tar": _tar,
}
