"""Write a table's cache: its texts, its pictures, and which row shows which.

A thread reads rows and takes the digests of their pictures while this one writes what was read before.

An image cell may name another row instead of a picture. These references are followed from row to row until
every row has pictures of its own or a reason why not.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from vlmbench.data.ahead import ahead
from vlmbench.data.arrow_files import ArrowWriter
from vlmbench.data.disk import Stamp
from vlmbench.data.image_cells import UnreadablePicture, measure
from vlmbench.data.picture_file import PictureWriter
from vlmbench.errors import DataError

ROWS, LINKS = "rows.arrow", "links.arrow"
_STEP_ROWS, _STEP_BYTES = 64, 4 * 1024 * 1024
"""Rows that the thread reads at a time, or fewer as soon as their pictures are so large."""
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_UNREAD = "unread:"


def unread_row(mark: str) -> int | None:
    """The number of the row, from 1, whose pictures this mark stands for; None for a picture's digest."""
    return int(mark.removeprefix(_UNREAD)) if mark.startswith(_UNREAD) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRow:
    """One row as a reader gives it."""

    index: str
    texts: Sequence[str]
    """Its cells, in the order of the reader's columns."""
    number: int
    """1 for the first row."""
    place: str
    """Where it stands, for errors: `line 7`."""
    pictures: Iterable[bytes | memoryview] = ()
    """In the order shown. Going through them may raise UnreadablePicture, which becomes the row's problem."""
    reference: str | None = None
    """The index of the row whose pictures this one shows."""
    shape: str | None = None
    """What is wrong with the row's texts, if anything is."""
    unread: bool = False
    """Whether it has pictures that are not fetched; a mark takes their place."""


class TableReader(Protocol):
    """What a cache is built from."""

    @property
    def path(self) -> Path:
        """The file or folder that errors name."""

    @property
    def texts(self) -> Sequence[str]:
        """The columns of texts, `index` among them."""

    @property
    def stamps(self) -> Mapping[str, Stamp]:
        """Picture files that were read beside the table, complete once all rows were."""

    @property
    def pictures_beside(self) -> bool:
        """Whether pictures lie in files of their own, which the digest of the table does not cover."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `facts.json` holds beside the builder's own, complete once all rows were read."""

    def rows(self) -> Iterator[ReadRow]:
        """Every row, in order."""


def build(reader: TableReader, folder: Path) -> dict[str, Any]:
    """Write the Arrow files into `folder`; returns what `facts.json` holds of the table."""
    with ExitStack() as files:
        builder = _Builder(reader, folder, files)
        for step in ahead(_steps(reader.rows())):
            for row, shown in step:
                builder.take(row, shown)
        builder.finish()
    return builder.facts()


@dataclass(frozen=True, slots=True)
class _Shown:
    """The pictures of a row with their digests."""

    pictures: Sequence[tuple[str, bytes | memoryview]]
    problem: str | None = None
    """Why there are no more."""


def _steps(rows: Iterator[ReadRow]) -> Iterator[list[tuple[ReadRow, _Shown]]]:
    """Rows with their digested pictures, many at a time."""
    step: list[tuple[ReadRow, _Shown]] = []
    size = 0
    for row in rows:
        shown = _digested(row)
        step.append((row, shown))
        size += sum(len(data) for _, data in shown.pictures)
        if len(step) == _STEP_ROWS or size > _STEP_BYTES:
            yield step
            step, size = [], 0
    if step:
        yield step


def _digested(row: ReadRow) -> _Shown:
    found: list[tuple[str, bytes | memoryview]] = []
    try:
        found.extend((hashlib.sha256(data).hexdigest(), data) for data in row.pictures)
    except UnreadablePicture as why:
        return _Shown(found, str(why))
    return _Shown(found)


class _Builder:
    def __init__(self, reader: TableReader, folder: Path, files: ExitStack) -> None:
        self._reader = reader
        texts = [(name, "text") for name in reader.texts]
        self._texts = files.enter_context(ArrowWriter(folder / ROWS, texts))
        links = [("index", "text"), ("images", "texts"), ("shape", "text"), ("unseen", "text")]
        self._link_file = files.enter_context(ArrowWriter(folder / LINKS, links))
        self._pictures = files.enter_context(PictureWriter(folder))
        self._digests: set[str] = set()
        self._links: list[Link] = []
        self._places: list[tuple[int, str]] = []
        self._shapes: dict[int, str] = {}

    def take(self, row: ReadRow, shown: _Shown) -> None:
        """Write the row's texts and pictures; keep what links them."""
        link = Link(row.index.strip(), reference=row.reference)
        if not link.index:
            raise DataError(
                f"the index is empty ({row.place}).", file=self._reader.path, row=row.number, key="index"
            )
        if row.shape:
            self._shapes[len(self._links)] = row.shape
        try:
            images = tuple(self._keep(digest, data) for digest, data in shown.pictures)
            link.images = () if shown.problem else images
            link.problem = shown.problem
        except UnreadablePicture as why:
            link.problem = str(why)
        if row.unread:
            link.images = (f"{_UNREAD}{row.number}",)
        self._links.append(link)
        self._places.append((row.number, row.place))
        self._texts.add(row.texts, sum(map(len, row.texts)))

    def _keep(self, digest: str, data: bytes | memoryview) -> str:
        if digest not in self._digests:
            self._pictures.add(digest, measure(data), data)
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
                shape = self._shapes.get(position, "")
                self._link_file.add((link.index, link.images, shape, link.problem or ""), 0)
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

    def _doubled(self, index: str, first: tuple[int, str], second: tuple[int, str]) -> DataError:
        return DataError(
            f"index `{index}` stands in row {first[0]} ({first[1]}) and again in row {second[0]} "
            f"({second[1]}).",
            file=self._reader.path,
            row=second[0],
            key="index",
            fix="Give every row an index of its own.",
        )

    def facts(self) -> dict[str, Any]:
        """Rows, the first index that is not a number, stamps of picture files, digest of what is shown."""
        text_index = None
        if self._text_index is not None:
            number, place = self._places[self._text_index]
            text_index = {"row": number, "place": place, "cell": self._links[self._text_index].index}
        return {
            "rows": len(self._links),
            "text_index": text_index,
            "pictures": dict(self._reader.stamps),
            "shown": _digest_of_shown(self._links) if self._reader.pictures_beside else None,
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
