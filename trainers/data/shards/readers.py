"""The samples of a shard, one at a time and with the columns that it has: parquet, Arrow, JSON, webdataset.

A shard that breaks off is a DataError that names it and the sample up to which it can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmbench.data.disk import FIRST_BYTES, check_download
from vlmbench.data.sources.records import FileRecords
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
