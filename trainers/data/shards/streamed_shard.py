"""A shard whose text is read once, before training, and whose pictures come while it goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from vlmbench.data.hub.dataset import HubDataset
from vlmbench.data.hub.files import HubFile
from vlmbench.data.hub.reference import parse_hub_reference
from vlmbench.trainers.data.records import CONVERTED
from vlmbench.trainers.data.shards.convert import RECORDS, ShardReading, first_layout, record_of
from vlmbench.trainers.data.shards.pictures import PlaceNames, UnpackedPictures
from vlmbench.trainers.data.shards.readers import (
    ShardSample,
    read_shard,
    read_texts,
    shard_format,
    text_spans,
)
from vlmbench.trainers.recipe.model import RecordMap

FACTS = "shard.json"
"""Beside its records."""
_PLACES = 64
"""Bytes for the places of a record's pictures in the index, and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamedShard:
    """Where a shard is, and what is known of it."""

    key: str
    """A digest of what decides its records; the first part of its pictures' names."""
    name: str
    """Its path in the set."""
    size: int
    local: str | None = None
    """Its file, where that is on this machine."""
    hub: str | None = None
    """The reference of the dataset that it belongs to."""
    commit: str = ""
    digest: str = ""
    records: int = 0
    unpacked: int = 0
    """About the bytes of its pictures."""
    layout: RecordMap = field(default_factory=RecordMap)
    recognised: bool = False
    """Whether the layout is that of the set, and not only what the source's `map` says."""

    @property
    def kind(self) -> str:
        """parquet, arrow, json or tar."""
        return shard_format(Path(self.name))

    @property
    def listed(self) -> HubFile:
        """The file as its hub lists it."""
        return HubFile(self.name, self.size, self.digest)

    @property
    def dataset(self) -> HubDataset:
        """The hub's dataset, of which nothing is asked for this."""
        return HubDataset(parse_hub_reference(str(self.hub)), self.commit, "", self.kind, (self.listed,))

    @property
    def in_store(self) -> bool:
        """Whether its pictures must be fetched; those of a .tar on this machine are read in place."""
        return self.hub is not None or self.kind != "tar"

    @property
    def kept(self) -> int:
        """Bytes that it takes of the store."""
        if self.kind == "tar":
            return self.size
        return (self.unpacked or self.size) + _PLACES * (self.records + 16)

    @property
    def most(self) -> int:
        """Bytes that it takes while it comes: a hub's table is there until its pictures are taken out."""
        return self.kept + self.size * (self.hub is not None and self.kind != "tar")

    def with_facts(self, folder: Path) -> StreamedShard:
        """The same with what was found when its text was read."""
        return from_json(as_json(self) | json.loads((folder / FACTS).read_text("utf-8")))


def as_json(shard: StreamedShard) -> dict[str, Any]:
    """For a JSON file."""
    return asdict(shard)


def from_json(document: dict[str, Any]) -> StreamedShard:
    """Back from a JSON file."""
    held: dict[str, Any] = document["layout"]
    layout: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in held.items()}
    return StreamedShard(**document | {"layout": RecordMap(**layout)})


def write_texts(shard: StreamedShard, folder: Path, file: Path, opened: BinaryIO | None = None) -> None:
    """Its records and FACTS into a folder; `opened`: the file, where it is not on this disk."""
    stored_as = f"{shard.key}/{shard.name}" if shard.in_store else shard.name
    names = PlaceNames(store=folder, stored_as=stored_as, images=folder, kind=shard.kind)
    _write(shard, partial(read_texts, file, opened), names, folder)
    size = text_spans(file, opened).rest if shard.kind == "parquet" else shard.size
    _note(folder, unpacked=size)


def unpack(shard: StreamedShard, folder: Path, file: Path) -> None:
    """The same, and its pictures: one file with an index."""
    target = folder / shard.name
    target.parent.mkdir(parents=True, exist_ok=True)
    stored_as = f"{shard.key}/{shard.name}"
    with UnpackedPictures(store=target, stored_as=stored_as, images=file.parent, kind=shard.kind) as names:
        names.write_index(_write(shard, partial(read_shard, file), names, folder))
    _note(folder, unpacked=target.stat().st_size)


def _note(folder: Path, **facts: Any) -> None:
    file = folder / FACTS
    held = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    file.write_text(json.dumps(held | facts), "utf-8")


def _write(
    shard: StreamedShard,
    read: Callable[[], Iterator[ShardSample]],
    names: PlaceNames,
    folder: Path,
) -> dict[int, str]:
    """Returns by row why a record cannot be used."""
    base, file = Path(shard.key), Path(shard.key) / shard.name
    layout = shard.layout if shard.recognised else first_layout(file, shard.layout, base, read())
    reading = ShardReading(file, base, base, layout, base)
    problems, count = dict[int, str](), 0
    # Known records were read before: their pictures alone are wanted.
    with Path(os.devnull if shard.records else folder / RECORDS).open("w", encoding="utf-8") as out:
        for sample in read():
            count += 1
            record = record_of(reading, sample, names)
            if problem := record[CONVERTED].get("problem"):
                problems[sample.row] = problem
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
    _note(folder, records=count, layout=asdict(layout), recognised=True)
    return problems
