"""A record set is read once into LLaVA's records, shard by shard; what is read stays for later trainings.

VLMBENCH_HOME/records/
    <digest of a shard and its layout>/records.jsonl     and beside it the pictures that stood in parquet
    <digest of these>/NAME.jsonl                         the records of all shards

Pictures of a webdataset shard and picture files stay where they are. A killed reading goes on with the shard
where it stopped. A record that cannot be used keeps its complaint, for `data check` and for `broken: skip`.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from vlmbench.data.disk import file_digest, home_folder, writing
from vlmbench.errors import DataError
from vlmbench.files.atomic import atomic_file, atomic_folder
from vlmbench.files.locks import exclusive
from vlmbench.plain_text import visible
from vlmbench.terminal.progress import Progress
from vlmbench.trainers.data.records import CONVERTED, as_record
from vlmbench.trainers.data.shards.layouts import Place, conversation, pictures_in, recognise
from vlmbench.trainers.data.shards.pictures import PictureNames, picture_values
from vlmbench.trainers.data.shards.readers import ShardSample, is_table, read_shard, shard_format
from vlmbench.trainers.data.shards.shard_list import ShardList, set_name, shards_of
from vlmbench.trainers.recipe.model import RecordMap, Source

VERSION = 1
"""Raise it when the same shard would give other records."""
RECORDS, IMAGES = "records.jsonl", "images.json"
"""Of a shard's folder. IMAGES is there where records name picture files by whole paths: their folder."""
_NO_NAME = re.compile(r"[^\w.-]+")
"""What a set's name may have and its file's name has not: `*`, `:`, `/`."""
FIX = "Free some space, or set VLMBENCH_HOME to a folder with room that can be written."


def as_llava_file(source: Source, home: Path | None = None) -> Source:
    """The same source as a LLaVA file; its shards are read unless they have been."""
    shards, home = shards_of(source), home or home_folder()
    layout = first_layout(shards.first, source.map, shards.base)
    images = picture_folder(source, shards)
    folders: list[Path] = []
    # Of a hub's set the download shows how far it is.
    quiet = source.files is None
    with Progress(
        f"reading {visible(set_name(source))}", "shards", total=shards.count, quiet=quiet
    ) as progress:
        for place, shard in enumerate(shards.files):
            reading = ShardReading(shard, shards.base, images, layout, home)
            folders.append(reading.folder())
            if not reading.is_done():
                progress.update(place)
                write_records(reading)
                progress.update(place + 1)
    return filed(source, folders, home, home / "records" if is_table(shards.first) else images)


def filed(source: Source, folders: Sequence[Path], home: Path, images: Path) -> Source:
    """The source as the file that these folders' records make, with its folder of pictures."""
    name = set_name(source) if source.files is None else Path(source.files).name
    return replace(
        source,
        files=None,
        hf=None,
        ms=None,
        split=None,
        config=None,
        revision=None,
        map=RecordMap(),
        annotations=str(_joined(folders, home, name)),
        images=str(images),
    )


def first_layout(
    shard: Path, given: RecordMap, base: Path, samples: Iterable[ShardSample] | None = None
) -> RecordMap:
    """The layout that the first record of a set has. `samples`: the shard's, where it is read already."""
    for sample in read_shard(shard) if samples is None else samples:
        if sample.problem is None:
            place = place_of(sample, shard, base)
            return recognise(sample.columns, given, place, table=is_table(shard))
    raise DataError("the shard has no record.", file=shard)


def picture_folder(source: Source, shards: ShardList) -> Path:
    """What the records' paths of pictures are relative to."""
    if source.images is None or shard_format(shards.first) == "tar":
        return shards.base
    return Path(source.images).expanduser().absolute()


@dataclass(frozen=True, slots=True)
class ShardReading:
    """One shard, and what decides its records."""

    shard: Path
    base: Path
    images: Path
    layout: RecordMap
    home: Path

    @property
    def table(self) -> bool:
        """Whether it is parquet or Arrow."""
        return is_table(self.shard)

    @property
    def name(self) -> str:
        """Its path in the set."""
        return self.shard.relative_to(self.base).as_posix()

    def folder(self) -> Path:
        """Where its records are or will be; shards may be moved, and a hub's new commit moves them, too."""
        digest = file_digest(self.shard, "sha256", self.home)
        facts = [VERSION, self.name, digest, asdict(self.layout)]
        key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
        return self.home / "records" / key

    def is_done(self) -> bool:
        """Whether the records are there, and name no picture file of another folder."""
        folder = self.folder()
        return folder.is_dir() and _named_folder(folder) in (None, str(self.images))


def _named_folder(folder: Path) -> Any:
    """What IMAGES holds; None where it is not there."""
    note = folder / IMAGES
    return json.loads(note.read_text("utf-8")) if note.is_file() else None


def write_records(reading: ShardReading) -> None:
    """Write the folder with the shard's records; of several processes on one machine one does it."""
    folder = reading.folder()
    size = reading.shard.stat().st_size
    with exclusive(folder.with_name(f".{folder.name}.lock")):
        if not reading.is_done():
            with (
                writing(folder, f"the records of {reading.shard.name}", size, FIX),
                atomic_folder(folder) as aside,
            ):
                _write(reading, aside, folder.name)


def _write(reading: ShardReading, aside: Path, key: str) -> None:
    with (
        PictureNames(
            store=aside / reading.shard.name,
            # A set of tables names pictures from the folder of all records; others from the shards' folder.
            stored_as=f"{key}/{reading.shard.name}",
            records=reading.home / "records",
            shard=reading.name,
            images=reading.images,
            table=reading.table,
        ) as names,
        (aside / RECORDS).open("w", encoding="utf-8") as out,
    ):
        for sample in read_shard(reading.shard):
            out.write(json.dumps(record_of(reading, sample, names), ensure_ascii=False) + "\n")
        if names.has_whole_paths:
            (aside / IMAGES).write_text(json.dumps(str(reading.images)), "utf-8")


def record_of(reading: ShardReading, sample: ShardSample, names: PictureNames) -> dict[str, Any]:
    """The sample as LLaVA has it, or its complaint."""
    place, layout = place_of(sample, reading.shard, reading.base), reading.layout
    origin: dict[str, Any] = {"file": place.file, "row": place.row}
    name = sample.key or f"{reading.name} row {sample.row}"
    try:
        if sample.problem is not None:
            raise place.error(sample.problem.what, sample.problem.key, sample.problem.fix)
        held = pictures_in(sample.columns, layout)
        found = conversation(sample.columns, layout, picture_values(held, sample.members, place), place)
        own = sample.columns.get(layout.id or "id")
        record = {"id": name if own is None else own, "conversations": found.messages}
        if found.pictures:
            record["image"] = [names.name(picture, place) for picture in found.pictures]
        as_record(record, place.row, Path(place.file))
    except DataError as error:
        return {"id": name, CONVERTED: origin | {"problem": error.text()}}
    return record | {CONVERTED: origin}


def place_of(sample: ShardSample, shard: Path, base: Path) -> Place:
    """Where the sample stands, as errors name it."""
    file = shard.relative_to(base).as_posix()
    return Place(
        file=file if sample.key is None else f"{file}, sample `{visible(sample.key)}`", row=sample.row
    )


def _joined(folders: Sequence[Path], home: Path, name: str) -> Path:
    """One file with the records of all shards."""
    facts = [[folder.name, _named_folder(folder)] for folder in folders]
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    # Progress and notes of the tokenised set show the file's name.
    file = home / "records" / key / f"{_NO_NAME.sub('_', name)[-100:]}.jsonl"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        what = "the records of all shards"
        with writing(file, what, None, FIX), atomic_file(file) as aside, aside.open("wb") as out:
            for folder in folders:
                with (folder / RECORDS).open("rb") as records:
                    shutil.copyfileobj(records, out, 1 << 20)
    return file
