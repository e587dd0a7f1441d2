"""Decode a table once into three Arrow files: its texts, its pictures, and which row shows which.

An image cell may name another row instead of a picture. These references are followed from row to row until
every row has pictures of its own or a reason why not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.data.arrow_files import ArrowWriter
from vlmbench.data.image_cells import (
    Reference,
    UnreadablePicture,
    decode,
    inside,
    measure,
    parse_cell,
    parse_list,
    picture_bytes,
)
from vlmbench.data.tsv import RawRow, read_rows
from vlmbench.errors import DataError

ROWS, LINKS, IMAGES = "rows.arrow", "links.arrow", "images.arrow"
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

Stamp = tuple[int, int] | None
"""Of a file: its size in bytes and when it changed, in nanoseconds. None: there is no such file."""


def stamp(path: Path) -> Stamp:
    """Size and time of change: equal as long as nobody touched the file."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns


def build(path: Path, header: Sequence[str], folder: Path) -> dict[str, Any]:
    """Write the Arrow files into `folder`; returns what `facts.json` holds of the table."""
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
        except UnreadablePicture as why:
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
        return picture_bytes(path)

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
        _follow_all(self._links)
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
        """Rows, the first index that is no number, stamps of picture files, digest of what is shown."""
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


@dataclass(slots=True)
class Link:
    """What is known of one row's pictures; completed in place."""

    index: str
    images: tuple[str, ...] = ()
    reference: str | None = None
    """Another row's index, until followed."""
    problem: str | None = None


def _follow_all(links: Sequence[Link]) -> None:
    """Give every referring row the pictures, or the problem, of the row it leads to."""
    by_index = {link.index: link for link in links}
    for link in links:
        if link.reference is not None:
            _follow(link, by_index)


def _follow(first: Link, by_index: Mapping[str, Link]) -> None:
    """Walk to the end of the chain, then settle every row on the way, so that no chain is walked twice."""
    chain = [first]
    seen = {first.index}
    end: Link | None = first
    while end is not None and end.reference is not None:
        end = by_index.get(end.reference)
        if end is not None and end.index in seen:
            circle = " → ".join([*(link.index for link in chain[:8]), end.index])
            _settle(chain, (), f"its image reference goes round in a circle: {circle}")
            return
        if end is not None and end.reference is not None:
            chain.append(end)
            seen.add(end.index)
    if end is None:
        lost = chain[-1].reference
        _settle(chain, (), f"its image cell refers to row `{lost}`, which is not in the file")
    elif end.problem is not None:
        _settle(chain, (), f"it shares the picture of row `{end.index}`: {end.problem}")
    elif not end.images:
        _settle(chain, (), f"its image cell refers to row `{end.index}`, which has no picture")
    else:
        _settle(chain, end.images, None)


def _settle(chain: Sequence[Link], images: tuple[str, ...], problem: str | None) -> None:
    for link in chain:
        link.images, link.problem, link.reference = images, problem, None
