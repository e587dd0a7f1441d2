"""The samples of a shard, one at a time and with the columns that it has: parquet, Arrow, JSON, webdataset.

A shard that breaks off is a DataError that names it and the sample up to which it can be read.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO

from vlmbench.data.disk import FIRST_BYTES, check_download
from vlmbench.data.sources.records import FileRecords
from vlmbench.errors import DataError
from vlmbench.plain_text import visible
from vlmbench.trainers.data.json_stream import raw_records
from vlmbench.trainers.data.records import parsed

PICTURE_ENDINGS = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff")
_LONGEST_TEXT = 1 << 24
"""Bytes of a text member of a webdataset sample."""
_BLOCK = 512
"""Bytes of a header in a tar file."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a shard."""

    name: str
    offset: int
    size: int


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
    """Members that follow each other under one key are one sample."""
    with path.open("rb") as file:
        groups = groupby(tar_members(path), lambda member: sample_key(member.name))
        for row, (key, group) in enumerate(groups, 1):
            found: dict[str, Member] = {}
            for member in group:
                ending = member.name[len(key) + 1 :].lower()
                if ending in found:
                    raise DataError(
                        f"the sample `{visible(key)}` has two members `{visible(ending)}`.",
                        file=path,
                        fix="Give each a name of its own.",
                    )
                found[ending] = member
            yield _sample(file, ShardSample(row=row, key=key), found)


def tar_members(path: Path) -> Iterator[Member]:
    """Regular files; an archive that is cut off or damaged is noticed, which tarfile alone passes over."""
    size, last = path.stat().st_size, ""
    try:
        with tarfile.open(path, "r:") as tar:
            while (member := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # else every header of the shard stays in memory
                last = visible(member.name)
                if member.offset_data + member.size > size:
                    raise broken_shard(path, f"it ends inside `{last}`")
                if member.isreg() and not member.issparse():
                    yield Member(member.name, member.offset_data, member.size)
            end = tar.offset
    except tarfile.TarError as error:
        raise broken_shard(path, str(error), f" after `{last}`" if last else "") from error
    with path.open("rb") as file:
        file.seek(end)
        mark = file.read(_BLOCK)
    if len(mark) < _BLOCK or mark.strip(b"\0"):
        raise broken_shard(path, f"no header follows `{last}`" if mark else f"it ends after `{last}`")


def broken_shard(path: Path, why: str, after: str = "") -> DataError:
    """A shard that cannot be read to its end."""
    return DataError(f"the shard is broken{after}: {why}.", file=path, fix="Download or write it again.")


def sample_key(member: str) -> str:
    """What the names of a sample's members have in common: all before the first dot of the last part."""
    folder, slash, last = member.rpartition("/")
    return f"{folder}{slash}{last.partition('.')[0]}"


def _sample(file: BinaryIO, empty: ShardSample, found: Mapping[str, Member]) -> ShardSample:
    columns: dict[str, Any] = {}
    pictures: list[Member] = []
    for ending, member in found.items():
        if ending.rpartition(".")[2] in PICTURE_ENDINGS:
            pictures.append(member)
            continue
        text = _text(file, member)
        if ending != "json":
            columns |= {} if text is None else {ending: text}
            continue
        try:
            columns |= _object(text, member.name, empty.row)
        except DataError as error:
            return replace(empty, problem=error)
    return replace(empty, columns=columns, members=tuple(pictures))


def _object(text: str | None, name: str, row: int) -> dict[str, Any]:
    """What a member of JSON holds; a bare list is one of messages."""
    if text is None:
        raise DataError(f"`{visible(name)}` is not UTF-8 text.")
    value = parsed(text, row)
    if not isinstance(value, dict | list):
        raise DataError(f"`{visible(name)}` is neither an object nor a list of messages.")
    return {"conversations": value} if isinstance(value, list) else value


def _text(file: BinaryIO, member: Member) -> str | None:
    """The member as text; None of one that is too long or no text."""
    if member.size > _LONGEST_TEXT:
        return None
    file.seek(member.offset)
    try:
        return file.read(member.size).decode("utf-8-sig")
    except UnicodeDecodeError:
        return None


_READERS: Mapping[str, Callable[[Path], Iterator[ShardSample]]] = {
    ".parquet": _table,
    ".arrow": _table,
    ".json": _json,
    ".jsonl": _json,
    ".tar": _tar,
}
