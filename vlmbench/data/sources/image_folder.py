"""Folders of pictures in the layouts of `datasets`: with a file of metadata, or a folder for each class.

metadata.csv, metadata.jsonl or metadata.parquet    `file_name` names a picture, seen from where it lies
cat/1.jpg, dog/2.jpg                                the folder's name is the picture's `label`
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmbench.data.sources.column import Column, is_list
from vlmbench.data.sources.records import DatasetRow, FileRecords
from vlmbench.data.sources.webdataset import PICTURE_ENDINGS
from vlmbench.errors import DataError
from vlmbench.plain_text import visible

METADATA = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
CLASSES = "classes"
"""The column with the names of all classes, in every row: it can be mapped to `options`."""
_NAMES_FILES = re.compile(r"(.*_)?file_names?")


def is_picture(file: Path) -> bool:
    """Whether it is a picture by its ending."""
    return file.suffix.lower().removeprefix(".") in PICTURE_ENDINGS


@dataclass(frozen=True)
class DescribedPictures:
    """The rows of metadata, which name their pictures."""

    path: Path
    folder: Path
    """That of the dataset; each file of metadata lies in it or deeper."""
    files: tuple[Path, ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Of the first file."""
        return FileRecords(self.path, self.files).columns

    def rows(self, names: Collection[str] | None = None) -> Iterator[DatasetRow]:
        """Every row in order, with pictures' names as seen from the dataset's folder."""
        number = 0
        for file in self.files:
            below = file.parent.relative_to(self.folder)
            for row in FileRecords(self.path, (file,)).rows(names):
                number += 1
                values = {name: _seen_from(below, name, value) for name, value in row.values.items()}
                place = row.place if len(self.files) == 1 else f"{row.place} of {below / file.name}"
                yield DatasetRow(number, place, values)


def _seen_from(below: Path, column: str, value: Any) -> Any:
    if not _NAMES_FILES.fullmatch(column):
        return value
    if is_list(value):
        return [_seen_from(below, column, member) for member in value]
    return (below / value).as_posix() if isinstance(value, str) and value else value


@dataclass(frozen=True)
class ClassFolders:
    """Pictures whose folders name their classes."""

    path: Path
    files: tuple[Path, ...]

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """The picture, its class, and all classes."""
        shown = visible(", ".join(self.classes), 60)
        return (
            Column("image", "text", "text: the picture's path"),
            Column("label", "text", f"the name of its folder, one of {len(self.classes)} ({shown})"),
            Column(CLASSES, "list", "list of text: the names of all folders", item="text"),
        )

    @cached_property
    def classes(self) -> Sequence[str]:
        """The names of the folders, sorted."""
        return sorted({file.parent.name for file in self.files})

    def rows(self, names: Collection[str] | None = None) -> Iterator[DatasetRow]:
        """Every picture in the order of the paths."""
        for number, file in enumerate(self.files, 1):
            path = file.relative_to(self.path).as_posix()
            values = {"image": path, "label": file.parent.name, CLASSES: list(self.classes)}
            kept = {name: value for name, value in values.items() if names is None or name in names}
            yield DatasetRow(number, visible(path), kept)


def check_classes(folder: Path, pictures: Sequence[Path]) -> None:
    """A DataError that says what to write, where the pictures are not divided into classes."""
    places = {file.parent for file in pictures}
    if folder in places or len(places) == 1:
        count = f"{len(pictures)} picture{'s' * (len(pictures) != 1)}"
        first = visible(pictures[0].relative_to(folder).as_posix(), 60)
        raise DataError(
            f"this folder holds {count} and nothing that says what is asked about them.",
            file=folder,
            fix="Write metadata.csv into it, with a line for each question: `file_name,question,answer`, "
            f"then `{first},What is this?,a cat`. Or put the pictures into a folder for each class.",
        )


def has_metadata(folder: Path) -> bool:
    """Whether a file of metadata lies in it."""
    return any((folder / name).is_file() for name in METADATA)
