"""The shards of a source: files that a pattern names, or those of a hub's dataset, downloaded one by one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from vlmbench.data.sources.records import FileRecords
from vlmbench.errors import DataError, UsageError
from vlmbench.trainers.data.shards.layouts import ANSWERS, CONVERSATIONS, QUESTIONS
from vlmbench.trainers.data.shards.readers import read_shard, shard_format

if TYPE_CHECKING:
    from vlmbench.data.hub.dataset import HubDataset
    from vlmbench.data.hub.reference import HubReference
    from vlmbench.trainers.recipe.model import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardList:
    """The shards of a source."""

    base: Path
    """The folder that they lie in."""
    count: int
    first: Path
    files: Iterator[Path]
    """All of them in order. A hub's shard is downloaded when the iterator comes to it."""


def is_record_set(source: Source) -> bool:
    """Whether the source has records that are not in a LLaVA file."""
    return bool(source.files or source.hf or source.ms)


def set_name(source: Source) -> str:
    """What a person calls the set."""
    return source.files or str(hub_reference(source))


def shards_of(source: Source) -> ShardList:
    """The shards that the source names."""
    if source.files is None:
        return _hub_shards(source)
    found = files_matching(source.files)
    if not found:
        raise DataError(
            "no file matches this.",
            file=source.files,
            key="files",
            fix="Name shards by a path, with `*` for what differs: `files: data/train-*.parquet`.",
        )
    _refuse_mixed(found)
    base = Path(os.path.commonpath([path.parent for path in found]))
    return ShardList(base=base, count=len(found), first=found[0], files=iter(found))


def is_llava_file(path: Path) -> bool:
    """Whether a file is read as it is: JSON whose first record, if any can be read, is one of LLaVA's."""
    if path.suffix.lower() not in (".json", ".jsonl") or not path.is_file():
        return path.suffix.lower() in (".json", ".jsonl") and "*" not in path.name
    try:
        first = next(read_shard(path), None)
    except DataError:
        return True
    if first is None or first.problem is not None or "conversations" in first.columns:
        return True
    return not any(name in first.columns for name in (*CONVERSATIONS, *QUESTIONS, *ANSWERS))


def has_conversations(path: Path) -> bool:
    """Whether a table, or the first of those that a path with `*` names, has a column of conversations."""
    first = next(iter(files_matching(str(path))), None)
    if first is None:
        return False
    return any(column.name in CONVERSATIONS for column in FileRecords(first, (first,)).columns)


def files_matching(pattern: str) -> list[Path]:
    """The files of a path with `*`, sorted by name."""
    path = Path(pattern).expanduser().absolute()
    named = Path(path.anchor).glob(str(path.relative_to(path.anchor)))
    return sorted(file for file in named if file.is_file())


def _refuse_mixed(found: Sequence[Path]) -> None:
    kinds = {shard_format(path): path for path in found}
    if len(kinds) > 1:
        several = " and ".join(path.name for path in kinds.values())
        raise DataError(
            f"the shards of a source are of one format, and these are not: {several}.",
            key="files",
            fix="Give each format a source of its own.",
        )


def _hub_shards(source: Source) -> ShardList:
    dataset = hub_dataset(source)
    paths = dataset.shards(
        other="Add `stream: true` to the source, which then needs room for some of its shards"
    )
    first = next(paths)
    depth = len(PurePosixPath(dataset.files[0].path).parts)
    return ShardList(
        base=first.parents[depth - 1], count=len(dataset.files), first=first, files=chain([first], paths)
    )


def hub_dataset(source: Source) -> HubDataset:
    """The split that the source names, looked up and not downloaded."""
    from vlmbench.data.hub.dataset import open_hub_dataset

    return open_hub_dataset(hub_reference(source))


def hub_reference(source: Source) -> HubReference:
    """The hub's dataset that the source names, as a reference."""
    from vlmbench.data.hub.reference import parse_hub_reference

    if source.split is None:
        raise UsageError(
            "a hub's dataset needs a split.",
            key="split",
            fix=f"Write {{hf: {source.hf or source.ms}, split: train}}.",
        )
    hub = "hf" if source.hf else "ms"
    config = f":{source.config}" if source.config else ""
    revision = f"@{source.revision}" if source.revision else ""
    return parse_hub_reference(f"{hub}:{source.hf or source.ms}{config}{revision}/{source.split}")
