"""The files of a local dataset: one file, or those of a folder that belong to a split; or its pictures."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vlmbench.data.hub.reference import is_hub_reference
from vlmbench.data.sources.image_folder import check_classes, has_metadata, is_picture
from vlmbench.errors import NoSuchData, UnknownName

SUFFIXES = (".parquet", ".arrow", ".jsonl", ".csv", ".json", ".tar")
"""Of files that are read. A TSV is a benchmark of its own; its YAML may map its columns."""
_SPLIT = re.compile(r"(?P<split>[A-Za-z][\w.]*?)[-_](?P<shard>\d{1,6}(?:-of-\d{1,6})?)")
_USUAL = {"train", "training", "test", "testing", "validation", "valid", "val", "dev", "eval", "evaluation"}
_NOTES = {"dataset_info.json", "state.json", "dataset_dict.json", "dataset_infos.json"}
"""Notes that `datasets` writes beside its files."""


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """The files of one split, in order, and what identifies them."""

    path: Path
    """The file or folder that the user named; pictures named by path lie inside its folder."""
    name: str
    """What tables and run folders call it."""
    files: tuple[Path, ...]
    reference: str = ""
    """Where a hub has them; empty for local files."""
    commit: str = ""
    """The revision of the hub's repository."""

    @property
    def lock(self) -> dict[str, str]:
        """What a run locks of it beside the digest of its contents."""
        if not self.reference:
            return {"file": self.path.name}
        return {"file": self.reference, "revision": self.commit}

    @property
    def folder(self) -> Path:
        """Where pictures named by path are looked for."""
        return self.files[0].parent if self.path in self.files else self.path


def is_data(name: str) -> bool:
    """Whether a name can only be that of data: it ends like a file of it, or begins like a hub's."""
    return is_hub_reference(name) or name.lower().endswith((".tsv", *SUFFIXES))


def is_dataset(name: str) -> bool:
    """Whether a name is that of data that is here: a file, a folder, or a split of a folder."""
    path = Path(name).expanduser()
    if is_data(name) or path.is_dir():
        return True
    return len(path.parts) > 1 and path.parent.is_dir() and not path.suffix and bool(_splits(path.parent))


def find_files(name: str) -> DatasetFiles:
    """The files that a path stands for; a DataError where there are none, or those of several splits."""
    path = Path(name).expanduser().absolute()
    if path.is_file():
        return DatasetFiles(path, path.stem, (path,))
    if path.is_dir():
        return _of_folder(path, None)
    if path.parent.is_dir() and path.suffix.lower() not in SUFFIXES:
        return _of_folder(path.parent, path.name)
    raise NoSuchData("there is no such file or folder.", file=path)


def _of_folder(folder: Path, split: str | None) -> DatasetFiles:
    splits = _splits(folder) or _picture_splits(folder)
    if not splits:
        raise NoSuchData(
            f"this folder holds no dataset: no pictures, and no file that ends in {', '.join(SUFFIXES)}.",
            file=folder,
            fix="Name the folder of the files, or a file.",
        )
    if split is None and len(splits) > 1:
        named = ", ".join(f"`{folder}/{name}`" for name in sorted(splits))
        raise NoSuchData("this folder holds several splits.", file=folder, fix=f"Name one of {named}.")
    chosen = split or next(iter(splits))
    if chosen not in splits:
        raise UnknownName(f"split of {folder}", chosen, [name or folder.name for name in splits])
    name = f"{folder.name}_{split}" if split else folder.name
    files = tuple(splits[chosen])
    if is_picture(files[0]):
        folder = folder / chosen
        check_classes(folder, files)
    return DatasetFiles(folder, name, files)


def _splits(folder: Path) -> dict[str, list[Path]]:
    """The files of each split, sorted, of the first format that is there; `""` for no split."""
    inside = [
        p
        for p in sorted(folder.iterdir())
        if p.is_dir() and (p.name.lower() in (*_USUAL, "data") or has_metadata(p))
    ]
    files = [f for place in (folder, *inside) for f in sorted(place.iterdir()) if f.name not in _NOTES]
    for suffix in SUFFIXES:
        found: dict[str, list[Path]] = {}
        for file in files:
            if file.suffix.lower() == suffix and file.is_file():
                found.setdefault(_split_of(file, folder), []).append(file)
        if found:
            return found
    return {}


def _picture_splits(folder: Path) -> dict[str, list[Path]]:
    """The pictures in a folder and below, sorted, by a first folder that is named like a split."""
    found: dict[str, list[Path]] = {}
    for file in sorted(_pictures_in(folder)):
        parts = file.relative_to(folder).parts
        split = parts[0] if len(parts) > 1 and parts[0].lower() in _USUAL else ""
        found.setdefault(split, []).append(file)
    return found


def _pictures_in(folder: Path) -> Iterator[Path]:
    """Hidden folders are not entered: `.git` or `.venv` may hold more files than all others."""
    for place, inside, names in os.walk(folder):
        inside[:] = [name for name in inside if not name.startswith(".")]
        files = (Path(place, name) for name in names if not name.startswith("."))
        yield from (file for file in files if is_picture(file) and file.is_file())


def _split_of(file: Path, folder: Path) -> str:
    """`test` of `test-00000-of-00002.parquet`, `test.jsonl`, `test/metadata.jsonl` or `test/data-….arrow`."""
    if file.parent != folder and file.parent.name.lower() in _USUAL:
        return file.parent.name
    if file.stem.lower() in _USUAL:
        return file.stem
    shard = _SPLIT.fullmatch(file.stem)
    split = shard["split"] if shard else ""
    return (
        split if split.lower() in _USUAL or (shard and "-of-" in shard["shard"] and split != "data") else ""
    )
