"""A split of a hub's dataset of which only some rows' pictures are fetched, as a run with a limit needs it.

First comes the outline: the texts of all rows, and a mark in place of each row's pictures. Whoever opens the
split chooses rows by it; then the pictures of these rows are fetched. Texts, map and digests are those of the
whole split, so what was asked of a part goes on with the whole.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmbench.data.disk import in_bytes
from vlmbench.data.hub.dataset import HubDataset
from vlmbench.data.hub.remote_file import RemoteFile, Span
from vlmbench.data.sources.column import Column, columns_of_schema
from vlmbench.data.sources.limited.remote_parquet import RemoteParquet
from vlmbench.data.sources.pictures import UNREAD
from vlmbench.data.sources.records import DatasetRow
from vlmbench.data.table import Table
from vlmbench.errors import DataError
from vlmbench.terminal.progress import Progress

Choose = Callable[[Table], "Collection[int] | None"]
"""Takes the outline; gives the numbers of the rows whose pictures are needed, from 1, or None for all."""

_FILES_AT_ONCE = 4
_SHOWN = 16_000_000
"""Bytes from which on a bar shows how far the reading is."""


def no_pictures(_: Table) -> Collection[int]:
    """Choose no row: the outline is enough."""
    return ()


@dataclass(frozen=True)
class PartialRecords:
    """The rows of a split. Pictures of rows that are not wanted are UNREAD."""

    dataset: HubDataset
    files: tuple[RemoteParquet, ...]
    wanted: frozenset[int] = frozenset()
    """Numbers of rows, from 1."""

    @property
    def path(self) -> Path:
        """The split, as errors name it."""
        return Path(str(self.dataset.reference))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """Of the first file."""
        self._each(lambda file: file.fetch_footer())
        with readable(self.dataset, self.files[0]):
            return columns_of_schema(self.files[0].opened.schema_arrow)

    def rows(self, names: Collection[str] | None = None) -> Iterator[DatasetRow]:
        """Every row in order; columns that are not named are not fetched."""
        pictures = [c.name for c in self.columns if c.shows_pictures and (names is None or c.name in names)]
        texts = [c.name for c in self.columns if not c.shows_pictures and (names is None or c.name in names)]
        # All at once, although the survey of the columns needs a few: a request costs more than a text.
        self._fetch([c.name for c in self.columns if not c.shows_pictures and c.kind != "other"], pictures)
        unread: Mapping[str, Any] = dict.fromkeys(pictures, UNREAD)
        number = 0
        for file, wanted in self._wanted():
            with readable(self.dataset, file):
                name = Path(file.remote.file.path).name
                for row, values in enumerate(file.rows(texts, pictures, wanted), 1):
                    number += 1
                    place = f"row {row} of {name}" if len(self.files) > 1 else f"row {row}"
                    yield DatasetRow(number, place, {**unread, **values})

    def _wanted(self) -> Iterator[tuple[RemoteParquet, frozenset[int]]]:
        """Each file and the wanted rows in it, from 0."""
        at = 1
        for file in self.files:
            with readable(self.dataset, file):
                there = range(at, at + file.opened.metadata.num_rows)
            yield file, frozenset(row - at for row in self.wanted if row in there)
            at = there.stop

    def _fetch(self, texts: Collection[str], pictures: Collection[str]) -> None:
        """Bring what `rows` reads, and say once how much of the whole it is."""
        wanted = {file.remote: rows for file, rows in self._wanted()}
        plan = {file.remote: file.spans(texts) for file in self.files}
        if pictures and self.wanted:
            self._each(lambda file: file.remote.fetch(file.index_spans(pictures, wanted[file.remote])))
            for file in self.files:
                with readable(self.dataset, file):
                    plan[file.remote] += file.picture_spans(pictures, wanted[file.remote])
        missing = sum(RemoteFile.size_of(remote.missing(spans)) for remote, spans in plan.items())
        if not missing:
            return
        if self.wanted:
            self._say(sum(map(RemoteFile.size_of, plan.values())))
        self._bring(plan, missing)

    def _say(self, size: int) -> None:
        whole = self.dataset.size
        rows = len(self.wanted)
        Progress().say(
            f"{self.dataset.reference}: reads {in_bytes(size)} of {in_bytes(whole)} "
            f"({size / whole:.1%}): all texts, and the pictures of {rows} row{'s' * (rows != 1)}"
        )

    def _bring(self, plan: Mapping[RemoteFile, Sequence[Span]], missing: int) -> None:
        came = 0
        what, quiet = f"reading parts of {self.dataset.reference}", missing < _SHOWN
        with Progress(what, "MB", total=missing / 1e6, quiet=quiet) as progress:

            def report(n: int) -> None:
                nonlocal came
                came += n
                progress.update(came / 1e6)

            self._each(lambda file: file.remote.fetch(plan[file.remote], report))

    def _each(self, do: Callable[[RemoteParquet], None]) -> None:
        """Do something with every file, several at a time."""

        def one(file: RemoteParquet) -> None:
            with readable(self.dataset, file):
                do(file)

        with ThreadPoolExecutor(_FILES_AT_ONCE) as pool:
            for _ in pool.map(one, self.files):
                pass


@contextmanager
def readable(dataset: HubDataset, file: RemoteParquet) -> Iterator[None]:
    """Turn what pyarrow raises about a broken file into a DataError; its parts are fetched again then."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        file.remote.discard()
        why = " ".join(str(error).split())[:200]
        raise DataError(
            f"{file.remote.file.path} of {dataset.reference} is damaged or of another format: {why}.",
            fix="Start again; if it stays so, tell the dataset's owner.",
        ) from error


def parts_name(wanted: Collection[int]) -> str:
    """What distinguishes the cache of a part from that of the whole."""
    if not wanted:
        return "-texts"
    rows = ",".join(map(str, sorted(wanted)))
    return f"-part-{hashlib.sha256(rows.encode()).hexdigest()[:12]}"
