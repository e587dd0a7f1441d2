"""Open a dataset as a table: its columns recognised or mapped, decoded once into the same cache as a TSV."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vlmbench.data.disk import Stamp, file_digest, home_folder, stamp
from vlmbench.data.hub.dataset import HubDataset, open_hub_dataset
from vlmbench.data.hub.files import RangesIgnored
from vlmbench.data.hub.reference import is_hub_reference, parse_hub_reference
from vlmbench.data.sources.column_map import ColumnMap, read_map
from vlmbench.data.sources.dataset_reader import DatasetReader
from vlmbench.data.sources.files import DatasetFiles, find_files
from vlmbench.data.sources.image_folder import (
    METADATA,
    ClassFolders,
    DescribedPictures,
    check_classes,
    is_picture,
)
from vlmbench.data.sources.limited.remote_parquet import RemoteParquet
from vlmbench.data.sources.limited.split import Choose, PartialRecords, parts_name
from vlmbench.data.sources.objects import digest_of, records_of
from vlmbench.data.sources.pictures import Pictures
from vlmbench.data.sources.recognise import check_map, recognise, survey
from vlmbench.data.sources.records import FileRecords, Records
from vlmbench.data.sources.tar_records import TarRecords
from vlmbench.data.table import Cache, Table, find_cache, open_cache
from vlmbench.errors import DataError
from vlmbench.terminal.progress import Progress

OBJECT = "object:"
"""Begins the name of a dataset that was an object of a process; the key of its cache follows."""


def open_dataset(
    name: str, given: Mapping[str, Any], home: Path | None = None, choose: Choose | None = None
) -> Table:
    """The dataset as a table; `given` is what the user mapped (see `column_map.py`), the rest is recognised.

    `name` is a path, or a split of a hub's dataset, which is downloaded unless it is here. With `choose`,
    only the pictures of the chosen rows are fetched where the hub has parquet.
    """
    home = home or home_folder()
    if is_hub_reference(name):
        dataset = open_hub_dataset(parse_hub_reference(name))
        part = None if choose is None else _part_of_hub(dataset, given, home, choose)
        if part is not None:
            return part
        found = _of_hub(dataset)
    else:
        found = find_files(name)
    seen = tuple(map(stamp, found.files))
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(lambda file: file_digest(file, "sha256", home), found.files))
    if any(map(is_picture, found.files)):  # whose folders are the answers
        digests[-1] += "".join(f"\n{file.relative_to(found.folder)}" for file in found.files)
    source = DatasetSource(_records(found), given, _as_one(digests), seen, found)
    return _table(source, open_cache(source, home))


def _records(found: DatasetFiles) -> Records:
    """The rows of files, by what the files are."""
    described = tuple(file for file in found.files if file.name in METADATA)
    if described:
        return DescribedPictures(found.path, found.folder, described)
    if found.files[0].suffix.lower() == ".tar":
        return TarRecords(found.path, found.files)
    if is_picture(found.files[0]):
        return ClassFolders(found.path, found.files)
    return FileRecords(found.path, found.files)


def open_object(given: object, columns: Mapping[str, Any], name: str = "") -> tuple[Table, str]:
    """An object of this process as a table, and the name under which `open_kept` finds it again."""
    records = records_of(given)
    name = name or records.path.name
    source = DatasetSource(records, columns, digest_of(records), (), DatasetFiles(Path(name), name, ()))
    return _table(source, open_cache(source, home_folder())), f"{OBJECT}{source.key()}"


def open_kept(key: str, name: str) -> Table:
    """The table of an object that was decoded before; the object itself is not needed any more."""
    cache = find_cache(home_folder() / "tables" / key.removeprefix(OBJECT))
    if cache is None:
        raise DataError("its decoded rows are gone.", file=name, fix="Evaluate the object itself again.")
    table = _as_table(cache.facts["md5"], cache, DatasetFiles(Path(name), name, ()))
    table.lock["object"] = key
    return table


def _as_one(digests: Iterable[str]) -> str:
    """The digests of files, in order, as one."""
    return hashlib.md5("\n".join(digests).encode(), usedforsecurity=False).hexdigest()


def _table(source: DatasetSource, cache: Cache) -> Table:
    return _as_table(source.md5, cache, source.files)


def _as_table(md5: str, cache: Cache, found: DatasetFiles) -> Table:
    """A decoded dataset. It is known by what its rows became, so the map counts too."""
    what = json.dumps([md5, cache.facts["map"]], sort_keys=True)
    digest = cache.facts["shown"] or hashlib.sha256(what.encode()).hexdigest()
    columns = tuple(cache.facts["columns"])
    return Table(found.path, md5, columns, cache, name=found.name, digest=digest, lock=found.lock)


def _of_hub(dataset: HubDataset) -> DatasetFiles:
    files = tuple(dataset.shards())
    path = files[0]
    if dataset.format == "imagefolder":
        path = Path(os.path.commonpath([file.parent for file in files]))
        if not any(file.name in METADATA for file in files):
            check_classes(path, files)
    return _files_of(dataset, path, files)


def _files_of(dataset: HubDataset, path: Path, files: tuple[Path, ...]) -> DatasetFiles:
    reference = dataset.reference
    parts = (reference.repository.rpartition("/")[2], reference.config, reference.split)
    return DatasetFiles(path, "_".join(filter(None, parts)), files, str(reference), dataset.commit)


def _part_of_hub(dataset: HubDataset, given: Mapping[str, Any], home: Path, choose: Choose) -> Table | None:
    """The split with the pictures of the chosen rows; None where it is here, or only comes as a whole."""
    known = all(file.digest.startswith("sha256:") for file in dataset.files)
    if dataset.format != "parquet" or not known or all(map(dataset.here, dataset.files)):
        return None
    md5 = _as_one(file.digest.removeprefix("sha256:") for file in dataset.files)
    records = PartialRecords(dataset, tuple(RemoteParquet(dataset.remote(file)) for file in dataset.files))
    source = DatasetSource(records, given, md5, (), _files_of(dataset, records.path, ()))
    if (whole := find_cache(home / "tables" / source.key())) is not None:
        return _table(source, whole)
    try:
        return _chosen_part(source, records, home, choose)
    except RangesIgnored:
        what = "the server sends whole files only, so the whole split is downloaded"
        Progress().say(f"{dataset.reference}: {what}")
        return None


def _chosen_part(source: DatasetSource, records: PartialRecords, home: Path, choose: Choose) -> Table | None:
    def opened(wanted: frozenset[int]) -> Table:
        part = replace(source, records=replace(records, wanted=wanted), part=parts_name(wanted))
        return _table(part, open_cache(part, home))

    first = replace(source, part=parts_name(()))
    if find_cache(home / "tables" / first.key()) is None:
        shown = {column.name for column in records.columns if column.shows_pictures}
        if not shown.issuperset(source.columns().images):
            return None  # pictures are in columns of texts, or in files of which only their names are known
    outline = opened(frozenset())
    chosen = choose(outline)
    if chosen is None:
        return None
    return opened(frozenset(chosen)) if chosen else outline


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A dataset before it is decoded."""

    records: Records
    given: Mapping[str, Any]
    md5: str
    seen: tuple[Stamp, ...]
    """Of each file, from before its digest was taken."""
    files: DatasetFiles
    part: str = ""
    """Ends the name of the cache where not all pictures are in it."""

    @property
    def path(self) -> Path:
        """The file or folder that the user named."""
        return self.records.path

    @property
    def size(self) -> int | None:
        """Of all files; None where they are not here."""
        return sum(known[0] for known in self.seen if known) or None

    @property
    def folder(self) -> Path | None:
        """Where rows may name pictures; None where an object names them, which may lie anywhere."""
        return self.files.folder if self.files.files or self.files.reference else None

    def key(self) -> str:
        """The name of its cache. The folder counts, because rows may name pictures in it."""
        place = "" if self.files.reference else str(self.folder)
        what = json.dumps([self.md5, dict(self.given), place], sort_keys=True, default=str)
        return f"{self.md5}-{hashlib.sha256(what.encode()).hexdigest()[:12]}{self.part}"

    def columns(self) -> ColumnMap:
        """What the columns are, as far as no row is needed for it; a DataError where a map does not fit."""
        records = self.records
        given = read_map(self.given, tuple(column.name for column in records.columns))
        check_map(records, given)
        return recognise(records, given)

    def reader(self) -> DatasetReader:
        """Reads the rows through the map; a DataError where it does not fit the columns."""
        records = self.records
        columns, letters = survey(records, self.columns(), self.given)
        check_map(records, columns)
        return DatasetReader(records, columns, tuple(ascii_uppercase[:letters]), Pictures(self.folder))

    def changed(self) -> bool:
        """Whether somebody touched a file."""
        return tuple(map(stamp, self.files.files)) != self.seen
