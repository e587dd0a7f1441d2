"""Decode a table once into three Arrow files: its texts, its pictures, and which row shows which."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vlmbench.data.arrow_writer import ArrowWriter
from vlmbench.data.image_cells import (
    Reference,
    Unreadable,
    decode,
    inside,
    measure,
    parse_cell,
    parse_list,
    read_picture,
)
from vlmbench.data.references import Link, follow_all
from vlmbench.data.tsv import RawRow, read_rows
from vlmbench.errors import DataError

ROWS, LINKS, IMAGES = "rows.arrow", "links.arrow", "images.arrow"
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

Stamp = tuple[int, int] | None
"""Size and time stamp of a picture file, None while it is not there."""


def stamp(path: Path) -> Stamp:
    """What tells that a picture file was touched."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns


def build(path: Path, header: Sequence[str], folder: Path) -> dict[str, Any]:
    """Write the Arrow files into `folder`; the facts that belong beside them."""
    with ExitStack() as files:
        builder = _Builder(path, header, folder, files)
        for row in read_rows(path):
            builder.take(row)
        builder.finish()
    return builder.facts()


class _Builder:
    def __init__(self, path: Path, header: Sequence[str], folder: Path, files: ExitStack) -> None:
        self._path = path
        self._from_paths = "image" not in header and "image_path" in header
        texts = [name for name in header if name != "image"]
        self._texts = files.enter_context(ArrowWriter(folder / ROWS, [(name, "text") for name in texts]))
        self._text_names = texts
        links = [("index", "text"), ("images", "texts"), ("shape", "text"), ("unseen", "text")]
        self._link_file = files.enter_context(ArrowWriter(folder / LINKS, links))
        images = [("digest", "text"), ("width", "number"), ("height", "number"), ("bytes", "bytes")]
        self._images = files.enter_context(ArrowWriter(folder / IMAGES, images))
        self._digests: set[str] = set()
        self._links: list[Link] = []
        self._places: list[tuple[int, int]] = []
        self._shapes: dict[int, str] = {}
        self._stamps: dict[str, Stamp] = {}

    def take(self, row: RawRow) -> None:
        """Write the row's texts and pictures; keep what links them."""
        cells = row.by_column()
        link = Link(cells["index"].strip())
        if not link.index:
            raise DataError(
                f"the index is empty (line {row.line}).", file=self._path, row=row.number, key="index"
            )
        if row.problem:
            self._shapes[len(self._links)] = row.problem
        try:
            self._show(link, cells)
        except Unreadable as why:
            link.problem = str(why)
        self._links.append(link)
        self._places.append((row.number, row.line))
        texts = [cells[name] for name in self._text_names]
        self._texts.add(texts, sum(map(len, texts)))

    def _show(self, link: Link, cells: Mapping[str, str]) -> None:
        if self._from_paths:
            text = cells["image_path"].strip()
            names = parse_list(text) if text.startswith("[") else (text,) if text else ()
            link.images = tuple(self._keep(self._file(name)) for name in names)
            return
        cell = parse_cell(cells.get("image", ""))
        if isinstance(cell, Reference):
            link.reference = cell.index
        else:
            link.images = tuple(self._keep(decode(text)) for text in cell)

    def _file(self, name: str) -> bytes:
        path = inside(self._path.parent, name)
        self._stamps[str(path)] = stamp(path)
        return read_picture(path)

    def _keep(self, data: bytes) -> str:
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._digests:
            width, height = measure(data)
            self._images.add((digest, width, height, data), len(data))
            self._digests.add(digest)
        return digest

    def finish(self) -> None:
        """Settle indices and references and write which row shows which pictures."""
        self._settle_indices()
        follow_all(self._links)
        self._texts.cut()
        at = 0
        for rows in self._texts.batches:
            # Batch for batch like the texts, so that both are read side by side.
            for position in range(at, at + rows):
                link = self._links[position]
                shape = self._shapes.get(position)
                self._link_file.add((link.index, list(link.images), shape, link.problem), 0)
            self._link_file.cut()
            at += rows

    def _settle_indices(self) -> None:
        self._text_index = next(
            (i for i, k in enumerate(self._links) if not _INTEGER.fullmatch(k.index)), None
        )
        seen: dict[str, int] = {}
        for position, link in enumerate(self._links):
            if self._text_index is None:
                link.index = str(int(link.index))
                if link.reference is not None and _INTEGER.fullmatch(link.reference):
                    link.reference = str(int(link.reference))
            first = seen.setdefault(link.index, position)
            if first != position:
                raise self._doubled(link.index, self._places[first], self._places[position])

    def _doubled(self, index: str, first: tuple[int, int], second: tuple[int, int]) -> DataError:
        return DataError(
            f"index `{index}` stands in row {first[0]} (line {first[1]}) and again in row {second[0]} "
            f"(line {second[1]}).",
            file=self._path,
            row=second[0],
            key="index",
            fix="Give every row an index of its own.",
        )

    def facts(self) -> dict[str, Any]:
        """What is to be known of the table without reading it."""
        text_index = None
        if self._text_index is not None:
            number, line = self._places[self._text_index]
            text_index = {"row": number, "line": line, "cell": self._links[self._text_index].index}
        return {
            "rows": len(self._links),
            "text_index": text_index,
            "pictures": self._stamps,
            "shown": _digest_of_shown(self._links) if self._from_paths else None,
        }


def _digest_of_shown(links: Sequence[Link]) -> str:
    """One digest over every picture of every row, in order."""
    return hashlib.sha256(json.dumps([link.images for link in links]).encode()).hexdigest()
