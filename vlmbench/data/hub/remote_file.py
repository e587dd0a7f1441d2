"""A hub's file that is read in parts: what is fetched once stays on the disk, and the rest is never fetched.

    file = dataset.remote(listed)
    file.fetch([(0, 1000), (9_000_000, 9_500_000)])
    file.read_at(0, 1000)
    pyarrow.parquet.ParquetFile(file.opened())

The parts lie in VLMBENCH_HOME/hub/parts, in a folder named by the file's digest. That digest is one of the
whole file, so parts cannot be compared with it: whoever finds a part broken calls `discard`.
"""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

from vlmbench.data.disk import home_folder, writing
from vlmbench.data.download import is_offline
from vlmbench.data.hub.files import HubFile, HubUnreachable, Report
from vlmbench.files.atomic import atomic_file

Span = tuple[int, int]
"""The first byte, and the one after the last."""
PartStream = Callable[[int, int], AbstractContextManager[Iterator[bytes]]]
"""Asks the hub for a span and gives its bytes as they come."""

_GAP = 64 * 1024
"""Spans closer than that are fetched as one: a request costs as much as so many bytes."""
_MOST = 8 * 1024 * 1024
"""Longer spans are fetched in several requests, and an interruption loses one of them."""
_AT_ONCE = 8
_ATTEMPTS = 5
"""Failures in a row, without a single new byte, before giving up."""


class RemoteFile:
    """Random access to a file of a hub."""

    def __init__(self, file: HubFile, stream: PartStream, whole: Path | None = None) -> None:
        """`whole` is the file where it was downloaded before; then nothing is fetched."""
        self.file, self._whole = file, whole
        self._stream = stream
        self._folder = home_folder() / "hub" / "parts" / file.digest.replace(":", "-")
        self._parts = sorted(_spans_in(self._folder))

    def missing(self, wanted: Iterable[Span]) -> list[Span]:
        """What of these spans is not here, in the pieces in which it is fetched."""
        if self._whole is not None:
            return []
        return [piece for gap in _without(_joined(wanted), self._parts) for piece in _cut(gap)]

    @staticmethod
    def size_of(wanted: Iterable[Span]) -> int:
        """Bytes of these spans, and of the gaps that are fetched with them."""
        return sum(end - first for first, end in _joined(wanted))

    def fetch(self, wanted: Iterable[Span], report: Report = lambda _: None) -> None:
        """Bring these spans here, several at a time; after an interruption only what is still missing."""
        pieces = self.missing(wanted)
        if not pieces:
            return
        needed = sum(end - first for first, end in pieces)
        fix = "Free some space, or let VLMBENCH_HOME name a folder with room; what came so far is kept."
        with writing(self._folder, f"parts of {self.file.path}", needed, fix):
            self._folder.mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(min(_AT_ONCE, len(pieces))) as pool:
                waiting = [pool.submit(self._keep, piece, report) for piece in pieces]
                try:
                    for one in waiting:
                        one.result()
                finally:
                    pool.shutdown(wait=True, cancel_futures=True)
                    self._parts = sorted(_spans_in(self._folder))

    def _keep(self, span: Span, report: Report) -> None:
        data = _read(self._stream, span, report)
        with atomic_file(self._folder / f"{span[0]}-{span[1]}") as aside:
            aside.write_bytes(data)

    def read_at(self, first: int, end: int) -> bytes:
        """These bytes; those that are not here are fetched."""
        if self.missing([(first, end)]):
            self.fetch([(first, end)])
        if self._whole is not None:
            with self._whole.open("rb") as whole:
                whole.seek(first)
                return whole.read(end - first)
        found = bytearray()
        for begin, stop in self._parts:
            at = first + len(found)
            if begin <= at < stop and at < end:
                with (self._folder / f"{begin}-{stop}").open("rb") as part:
                    part.seek(at - begin)
                    found += part.read(min(end, stop) - at)
        return bytes(found)

    def opened(self) -> RandomAccess:
        """The file for a reader that goes to any place in it."""
        return RandomAccess(self.file.size, self.read_at)

    def discard(self) -> None:
        """Delete every part."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self._parts = []


class RandomAccess(io.BufferedIOBase):
    """A file object over a function that gives the bytes from one place to another."""

    def __init__(self, size: int, read_at: Callable[[int, int], bytes]) -> None:
        self._size, self._read_at, self._at = size, read_at, 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        """So many bytes, or all up to the end."""
        end = self._size if size is None or size < 0 else min(self._at + size, self._size)
        data = self._read_at(self._at, end) if self._at < end else b""
        self._at += len(data)
        return data


def _read(stream: PartStream, span: Span, report: Report) -> bytes:
    """The bytes of a span. A connection that breaks is taken up where it broke."""
    first, end = span
    found, failures = bytearray(), 0
    while first + len(found) < end:
        before = len(found)
        why: HubUnreachable | None = None
        try:
            with stream(first + before, end) as chunks:
                for chunk in chunks:
                    found += chunk
                    report(len(chunk))
                    if first + len(found) >= end:  # a server may send on for ever
                        break
        except HubUnreachable as error:
            why = error
        failures = 0 if len(found) > before else failures + 1
        if failures and (failures >= _ATTEMPTS or is_offline()):
            raise why or HubUnreachable("the hub's server sends nothing.")
        if failures:
            time.sleep(0.25 * 2**failures)
    return bytes(found[: end - first])


def _spans_in(folder: Path) -> Iterator[Span]:
    """The parts that are here whole; their names say which."""
    for path in folder.glob("[0-9]*-[0-9]*") if folder.is_dir() else ():
        first, _, end = path.name.partition("-")
        if first.isdigit() and end.isdigit() and path.stat().st_size == int(end) - int(first):
            yield int(first), int(end)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The spans in order; those with a small gap between them as one."""
    found: list[Span] = []
    for first, end in sorted(span for span in spans if span[0] < span[1]):
        if found and first - found[-1][1] <= _GAP:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((first, end))
    return found


def _without(spans: Iterable[Span], here: Sequence[Span]) -> Iterator[Span]:
    """What of the spans no part holds; `here` is in order."""
    for first, end in spans:
        at = first
        for begin, stop in here:
            if stop > at and begin < end:
                if begin > at:
                    yield at, begin
                at = max(at, stop)
        if at < end:
            yield at, end


def _cut(span: Span) -> Iterator[Span]:
    for first in range(span[0], span[1], _MOST):
        yield first, min(first + _MOST, span[1])
