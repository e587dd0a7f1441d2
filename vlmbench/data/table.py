"""A benchmark's file as rows and pictures, however large it is.

    table = open_table(Path("MMBench_DEV_EN.tsv"))
    for row in table.rows():
        picture = table.images[row.images[0]]

The first opening decodes the file into a cache; later ones map it into memory and take milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.data.build import IMAGES, LINKS, ROWS, stamp
from vlmbench.data.cache import Cache, Source, open_or_build
from vlmbench.data.digests import file_digest
from vlmbench.data.home import home as default_home
from vlmbench.data.image_store import CachedImages
from vlmbench.data.tsv import read_header
from vlmbench.domain import Row
from vlmbench.errors import DataError


def open_table(
    path: Path,
    *,
    need: Sequence[str] = ("index", "question"),
    need_integer_index: bool = False,
    home: Path | None = None,
) -> Table:
    """Open a benchmark's file; a DataError says what is wrong with one that cannot be.

    A row that cannot be asked is no error: it is given with its `problem`.
    """
    path = Path(path).absolute()
    home = home or default_home()
    seen = stamp(path)
    header = read_header(path, ["index", *need])
    md5 = file_digest(path, "md5", home)
    cache = open_or_build(Source(path, header, md5, seen), home)
    text_index = cache.facts["text_index"]
    if need_integer_index and text_index is not None:
        raise _not_an_integer(path, text_index)
    return Table(path, md5, header, cache)


class Table:
    """An opened file: its rows in order, its pictures by digest. It can be sent to other processes."""

    def __init__(self, path: Path, md5: str, columns: tuple[str, ...], cache: Cache) -> None:
        self.path, self.md5, self.columns = path, md5, columns
        self.digest: str = cache.facts["shown"] or md5
        """What the table is known by: the file's MD5, or where pictures lie beside it, a digest of both."""
        self.images = CachedImages(cache.folder / IMAGES)
        self._folder = cache.folder
        self._rows: int = cache.facts["rows"]

    def __len__(self) -> int:
        return self._rows

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
        f"index `{found['cell']}` (line {found['line']}) is not a whole number.",
        file=path,
        row=found["row"],
        key="index",
        fix="Number the rows: rotations of a circular question belong together by index modulo 1,000,000.",
    )
