"""Bring the data of benchmarks here, with one bar for the sum of all files.

What an interruption leaves is kept and counts from the start; one that fails does not stop the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlmbench.data.download import ServerUnreachable, download
from vlmbench.data.fetch.lacking import Lacking
from vlmbench.data.fetch.room import require_room_for
from vlmbench.data.hub.dataset import open_hub_dataset
from vlmbench.data.hub.reference import is_hub_reference, parse_hub_reference
from vlmbench.data.locate import HUB, require_file
from vlmbench.data.opening import open_data_file
from vlmbench.errors import UserError
from vlmbench.terminal.progress import Progress


@dataclass(frozen=True, slots=True)
class Fetched:
    """How the download of one benchmark's data ended."""

    benchmark: str
    where: str = ""
    """The file's path, or the dataset and its commit."""
    error: UserError | None = None


def fetch(missing: Sequence[Lacking], into: Path) -> list[Fetched]:
    """Download each into a folder, datasets into their hub's cache; see `with_sizes` for a total of the bar.

    A DataError where the disk has no room for all of it, before anything comes.
    """
    require_room_for(missing, into)
    with Progress(_title(missing), "MB") as progress:
        sums = _Sums(missing, progress)
        came = [_fetch(one, into, sums, number) for number, one in enumerate(missing)]
    # Decoded once the bar has left the screen: it has one of its own.
    return [_opened(one) if isinstance(one, Lacking) else one for one in came]


def _title(missing: Sequence[Lacking]) -> str:
    return f"downloading {missing[0].benchmark if len(missing) == 1 else f'{len(missing)} benchmarks'}"


class _Sums:
    """Bytes that came and will come, over all downloads."""

    def __init__(self, missing: Sequence[Lacking], progress: Progress) -> None:
        self.progress = progress
        self._came = [one.came for one in missing]
        # What its server does not give adds nothing, unless its dataset comes instead.
        self._sizes = [0 if one.trouble else one.size for one in missing]
        progress.begin(self._total(), sum(self._came) / 1e6)

    def show(self, number: int, done: int, size: int | None) -> None:
        """So much of that download is here."""
        self._came[number] = done
        self._sizes[number] = self._sizes[number] if size is None else size
        self.progress.update(sum(self._came) / 1e6, total=self._total())

    def add(self, number: int, more: int) -> None:
        """So many bytes more of it came."""
        self.show(number, self._came[number] + more, None)

    def _total(self) -> float | None:
        known = [size for size in self._sizes if size is not None]
        return sum(known) / 1e6 if len(known) == len(self._sizes) else None


def _fetch(one: Lacking, into: Path, sums: _Sums, number: int) -> Fetched | Lacking:
    """The outcome; the dataset itself where it still has to be opened."""
    try:
        if one.as_dataset:
            return _dataset(one, sums, number)
        if one.file.url is None:
            require_file(one.file, into)  # whose error says what to do
        path = download(one.file, into, progress=lambda done, size: sums.show(number, done, size))
        return Fetched(one.benchmark, str(path))
    except ServerUnreachable as error:
        if not is_hub_reference(one.file.dataset):
            return Fetched(one.benchmark, error=error)
        sums.progress.say(f"{error.what} {one.file.dataset} has the same rows and is read instead.")
        try:
            return _dataset(replace(one, as_dataset=True), sums, number)
        except UserError as other:
            return Fetched(one.benchmark, error=other)
    except UserError as error:
        return Fetched(one.benchmark, error=error)


def _dataset(one: Lacking, sums: _Sums, number: int) -> Lacking:
    dataset = open_hub_dataset(parse_hub_reference(one.file.dataset), quiet=True)
    sums.show(number, dataset.size - dataset.missing, dataset.size)
    dataset.fetch(lambda more: sums.add(number, more))
    return one


def _opened(one: Lacking) -> Fetched:
    """Decoded, and its rows compared with those of the published file where they are known."""
    try:
        return Fetched(one.benchmark, open_data_file(one.file, HUB).origin)
    except UserError as error:
        return Fetched(one.benchmark, error=error)
