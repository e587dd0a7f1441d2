"""A benchmark's file as rows and pictures, however large it is.

    table = open_table(Path("MMBench_DEV_EN.tsv"))
    for row in table.rows():
        picture = table.images[row.images[0]]

The first opening decodes the file into a cache folder, named by the file's content; later ones map it into
memory and take milliseconds. Several processes may open the same file: one decodes it, the others wait.

VLMBENCH_HOME/tables/<md5 of the file>/
    rows.arrow     the text cells
    links.arrow    for each row: index, picture digests, what is wrong with its shape and with its pictures
    images.bin     every picture once, one after another
    images.arrow   for each picture: digest, width, height, and where it is in images.bin
    facts.json     sizes and sums of these files; written last
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vlmbench.data.build import LINKS, ROWS, TableReader, build
from vlmbench.data.disk import Stamp, file_digest, hash_file, home_folder, stamp, writing
from vlmbench.data.picture_file import IMAGES, PLACES, CachedImages
from vlmbench.data.tsv import read_header
from vlmbench.data.tsv_reader import TsvReader
from vlmbench.domain import Row
from vlmbench.errors import DataError
from vlmbench.files.atomic import atomic_folder
from vlmbench.files.json_files import object_or_none
from vlmbench.files.locks import exclusive

SCHEMA = 4
"""Raise it when the files change their meaning; older caches are then built again."""
_FACTS = "facts.json"


def open_table(
    path: Path,
    *,
    need: Sequence[str] = ("index", "question"),
    need_integer_index: bool = False,
    home: Path | None = None,
) -> Table:
    """Open a benchmark's file; a DataError names what is wrong with a file that cannot be opened.

    A row that cannot be asked is not an error: it comes with its `problem`.
    """
    path = Path(path).absolute()
    home = home or home_folder()
    seen = stamp(path)
    header = read_header(path, ["index", *need])
    source = TsvFile(path, header, file_digest(path, "md5", home), seen)
    table = Table(path, source.md5, header, open_cache(source, home))
    if need_integer_index:
        table.require_integer_index()
    return table


class Table:
    """An opened file: its rows in order, its pictures by digest. It can be sent to other processes."""

    def __init__(
        self,
        path: Path,
        md5: str,
        columns: tuple[str, ...],
        cache: Cache,
        *,
        name: str | None = None,
        digest: str | None = None,
        lock: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.md5, self.columns = path, md5, columns
        self.name = name or path.stem
        self.facts = cache.facts
        """What `facts.json` holds."""
        self.digest: str = digest or cache.facts["shown"] or md5
        """What the table is known by: the file's MD5, or where pictures lie beside it, a digest of both."""
        self.lock = {"file": path.name, **(lock or {}), "md5": md5, "with pictures": self.digest}
        """What a run locks of its data."""
        self.images = CachedImages(cache.folder)
        self._folder = cache.folder
        self._rows: int = cache.facts["rows"]

    def __len__(self) -> int:
        return self._rows

    @property
    def origin(self) -> str:
        """Where the rows come from: a path, or a hub's dataset and its commit."""
        commit = self.lock.get("revision")
        if not commit:
            return str(self.path)
        name = self.lock["file"]
        return name if commit in name else f"{name} at commit {commit[:12]}"

    def require_integer_index(self) -> None:
        """A DataError where an index is no whole number, by which rotations are distinguished."""
        if (found := self.facts["text_index"]) is not None:
            raise _not_an_integer(self.path, found)

    def rows(self, *, to_ask: bool = True) -> Iterator[Row]:
        """Every row, in file order. To score answers, a picture that cannot be shown is no problem."""
        import pyarrow as pa

        # Read rather than mapped: of a mapped file every page once seen counts as this process's memory.
        with pa.OSFile(str(self._folder / ROWS)) as texts, pa.OSFile(str(self._folder / LINKS)) as links:
            text_reader, link_reader = pa.ipc.open_file(texts), pa.ipc.open_file(links)
            for number in range(text_reader.num_record_batches):
                yield from _rows_of(text_reader.get_batch(number), link_reader.get_batch(number), to_ask)

    def image_size(self, digest: str) -> tuple[int, int] | None:
        """Width and height of a picture; None when the table has no such picture."""
        return self.images.size(digest)


def _rows_of(texts: Any, links: Any, to_ask: bool) -> Iterator[Row]:
    names: list[str] = texts.schema.names
    columns = [column.to_pylist() for column in texts.columns]
    parts = ("index", "images", "shape", "unseen")
    shown = zip(*(links.column(name).to_pylist() for name in parts), strict=True)
    for values, (index, images, shape, unseen) in zip(zip(*columns, strict=True), shown, strict=True):
        cells = {name: value for name, value in zip(names, values, strict=True) if value}
        cells["index"] = index
        problem = "; ".join(filter(None, (shape, unseen if to_ask else None))) or None
        yield Row(index=index, cells=cells, images=tuple(images), problem=problem)


def _not_an_integer(path: Path, found: Mapping[str, Any]) -> DataError:
    return DataError(
        f"index `{found['cell']}` ({found['place']}) is not a whole number.",
        file=path,
        row=found["row"],
        key="index",
        fix="Number the rows: rotations of a circular question belong together by index modulo 1,000,000.",
    )


@dataclass(frozen=True, slots=True)
class Cache:
    """The decoded form of a file, whole and current."""

    folder: Path
    facts: Mapping[str, Any]


class TableSource(Protocol):
    """Where a table comes from, before it is decoded."""

    @property
    def path(self) -> Path:
        """The file or folder that errors name."""

    @property
    def md5(self) -> str:
        """Of the content."""

    @property
    def size(self) -> int | None:
        """About as many bytes as the cache needs; None where that is unknown."""

    def key(self) -> str:
        """The name of its cache."""

    def reader(self) -> TableReader:
        """Reads it; DataErrors name what cannot be read."""

    def changed(self) -> bool:
        """Whether the content is another than when its digest was taken."""


@dataclass(frozen=True, slots=True)
class TsvFile:
    """A benchmark's TSV before it is decoded."""

    path: Path
    header: tuple[str, ...]
    md5: str
    seen: Stamp
    """Size and time stamp from before the digest was taken."""

    @property
    def size(self) -> int | None:
        """Of the file."""
        return self.seen[0] if self.seen else None

    def key(self) -> str:
        """The name of its cache."""
        if not self.reader().pictures_beside:
            return self.md5
        # The pictures lie beside the table, so the same table in another folder is another one.
        place = hashlib.sha256(os.fsencode(self.path.parent)).hexdigest()
        return f"{self.md5}-{place[:12]}"

    def reader(self) -> TsvReader:
        """Reads the file."""
        return TsvReader(self.path, self.header)

    def changed(self) -> bool:
        """Whether somebody touched the file."""
        return stamp(self.path) != self.seen


def open_cache(source: TableSource, home: Path) -> Cache:
    """The cache of this table; one process builds it while the others wait."""
    tables = home / "tables"
    folder = tables / source.key()
    if (found := find_cache(folder)) is not None:
        return found
    with exclusive(tables / f".{folder.name}.lock"):
        if (found := find_cache(folder)) is not None:
            return found
        return _build(source, folder)


def find_cache(folder: Path) -> Cache | None:
    """The cache if it is whole, of this schema, and its picture files are untouched."""
    facts = object_or_none(folder / _FACTS) or {}
    try:
        if facts["schema"] != SCHEMA or not all(
            _intact(folder / name, f) for name, f in facts["files"].items()
        ):
            return None
        for picture, seen in facts["pictures"].items():
            if stamp(Path(picture)) != (tuple(seen) if seen else None):
                return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Cache(folder, facts)


def decoded_rows(digests: Sequence[str], home: Path | None = None) -> int | None:
    """Rows of the file with one of these MD5s, if it was ever decoded on this machine. No file is read."""
    tables = (home or home_folder()) / "tables"
    facts = (object_or_none(tables / md5 / _FACTS) or {} for md5 in digests)
    return next((found["rows"] for found in facts if isinstance(found.get("rows"), int)), None)


def _intact(path: Path, fact: Mapping[str, Any]) -> bool:
    # Pictures are gigabytes; each is compared with its own digest when it is read.
    same_size = path.stat().st_size == fact["bytes"]
    return same_size and (fact["sha256"] is None or hash_file(path, "sha256") == fact["sha256"])


def _build(source: TableSource, folder: Path) -> Cache:
    path = source.path
    fix = "Free some space, or set VLMBENCH_HOME to a folder with room that can be written."
    with (
        writing(folder, f"the decoded form of {path.name}", source.size, fix),
        atomic_folder(folder) as aside,
    ):
        reader = source.reader()
        facts = build(reader, aside)
        if source.changed():
            # It must not be kept under the digest of what it was a moment ago.
            raise DataError("the file changed while it was being read.", file=path, fix="Start again.")
        facts |= {"schema": SCHEMA, "source": path.name, "md5": source.md5, "files": _files(aside)}
        facts |= reader.facts
        (aside / _FACTS).write_text(json.dumps(facts), "utf-8")
    return Cache(folder, facts)


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    texts = {
        name: {"bytes": 0, "sha256": hash_file(folder / name, "sha256")} for name in (ROWS, LINKS, PLACES)
    }
    facts: dict[str, dict[str, Any]] = {**texts, IMAGES: {"sha256": None}}
    for name, fact in facts.items():
        fact["bytes"] = (folder / name).stat().st_size
    return facts
