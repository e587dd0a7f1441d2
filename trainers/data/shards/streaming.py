"""A streamed source becomes a LLaVA file of its text, whose records name pictures that a store will have.

VLMBENCH_HOME/records/
    <digest of a shard>/records.jsonl      what its text says, and beside it what is known of the shard
    <digest of these>/NAME.jsonl           the records of all shards, and beside it `shards.json`
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from vlmbench.data.disk import file_digest, home_folder, writing
from vlmbench.data.hub.files import RangesIgnored
from vlmbench.files.atomic import atomic_file, atomic_folder
from vlmbench.files.locks import exclusive
from vlmbench.plain_text import visible
from vlmbench.terminal.progress import Progress
from vlmbench.trainers.data.shards.convert import FIX, RECORDS, VERSION, filed
from vlmbench.trainers.data.shards.readers import text_spans
from vlmbench.trainers.data.shards.shard_list import hub_dataset, set_name, shards_of
from vlmbench.trainers.data.shards.store import ShardStore
from vlmbench.trainers.data.shards.streamed_shard import (
    FACTS,
    StreamedShard,
    as_json,
    from_json,
    write_texts,
)
from vlmbench.trainers.recipe.model import Source

SHARDS = "shards.json"


def as_streamed_file(source: Source, store: ShardStore, home: Path | None = None) -> Source:
    """The same source as a LLaVA file; the text of its shards is read unless it has been."""
    home = home or home_folder()
    found: list[StreamedShard] = []
    shards = shards_to_stream(source, home)
    folders = [home / "records" / shard.key for shard in shards]
    name, quiet = visible(set_name(source)), all(folder.is_dir() for folder in folders)
    with Progress(f"reading the text of {name}", "shards", total=len(shards), quiet=quiet) as progress:
        for shard, folder in zip(shards, folders, strict=True):
            if found:
                shard = replace(shard, layout=found[0].layout, recognised=True)
            found.append(shard.with_facts(_read_text(shard, store, folder)))
            progress.update(len(found))
    base = store.root if found[0].in_store else shards_of(source).base
    made = filed(source, folders, home, base)
    with atomic_file(Path(str(made.annotations)).with_name(SHARDS)) as aside:
        aside.write_text(json.dumps(list(map(as_json, found))), "utf-8")
    return made


def streamed_shards(annotations: Path) -> tuple[StreamedShard, ...]:
    """The shards behind a file that `as_streamed_file` made, in the order of its records."""
    return tuple(map(from_json, json.loads(annotations.with_name(SHARDS).read_text("utf-8"))))


def shards_to_stream(source: Source, home: Path, *, digests: bool = True) -> list[StreamedShard]:
    """The shards of a source, of which no record was read yet and no file of a hub downloaded.

    Without `digests`, files on this machine are not read, and the keys of their shards are others.
    """
    if source.files is None:
        dataset = hub_dataset(source)
        listed = [
            StreamedShard(
                key="",
                name=file.path,
                size=file.size,
                hub=str(dataset.reference),
                commit=dataset.commit,
                digest=file.digest,
            )
            for file in dataset.files
        ]
    else:
        local = shards_of(source)
        listed = [
            StreamedShard(
                key="",
                name=path.relative_to(local.base).as_posix(),
                size=path.stat().st_size,
                local=str(path),
                digest=file_digest(path, "sha256", home) if digests else "",
            )
            for path in local.files
        ]
    first = listed[0].digest or listed[0].commit
    return [replace(shard, key=_key(shard, source, first), layout=source.map) for shard in listed]


def _key(shard: StreamedShard, source: Source, first: str) -> str:
    """The first shard decides the layout of all."""
    content = [shard.name, shard.digest or shard.commit, first, shard.in_store]
    facts = [VERSION, "streamed", content, asdict(source.map)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]


def _read_text(shard: StreamedShard, store: ShardStore, folder: Path) -> Path:
    """The folder with its records; of several processes on one machine one writes it."""
    with exclusive(folder.with_name(f".{folder.name}.lock")):
        if not folder.is_dir():
            with writing(folder, f"the records of {shard.name}", None, FIX), atomic_folder(folder) as aside:
                _write(shard, store, aside)
    return folder


def _write(shard: StreamedShard, store: ShardStore, folder: Path) -> None:
    if shard.local is not None:
        write_texts(shard, folder, Path(shard.local))
        return
    if shard.kind == "parquet" and _write_remote(shard, folder):
        return
    if not store.bring(shard, {}):
        raise store.too_small([shard])
    with store.locked(shard.key):
        held = store.root / shard.key
        if shard.kind == "tar":
            write_texts(shard, folder, held / shard.name)
        else:
            for name in (RECORDS, FACTS):
                (folder / name).write_bytes((held / name).read_bytes())


def _write_remote(shard: StreamedShard, folder: Path) -> bool:
    """Read the columns of text alone; False where the hub sends whole files only."""
    remote, file = shard.dataset.remote(shard.listed), Path(shard.name)
    opened: Any = remote.opened()
    try:
        remote.fetch(text_spans(file, opened).spans)
        write_texts(shard, folder, file, opened)
    except RangesIgnored:
        return False
    remote.discard()
    return True
