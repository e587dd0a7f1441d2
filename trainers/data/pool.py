"""Chunks of records through several processes, in order, with little in flight."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from vlmbench.errors import DataError

from .json_stream import RawRecord
from .tokenise import Outcome, Rules, start, tokenise, work

CHUNK_RECORDS, CHUNK_CHARACTERS = 512, 1 << 20
AHEAD = 3
"""Chunks in flight for each process."""

Chunk = list[tuple[int, str]]


def cores() -> int:
    """The processor cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1


def chunks(records: Iterable[RawRecord]) -> Iterator[tuple[Chunk, int]]:
    """Records in handfuls, each with how far the file has been read."""
    chunk: Chunk = []
    size = read = 0
    for record in records:
        chunk.append((record.row, record.text))
        size, read = size + len(record.text), record.read
        if len(chunk) >= CHUNK_RECORDS or size >= CHUNK_CHARACTERS:
            yield chunk, read
            chunk, size = [], 0
    if chunk:
        yield chunk, read


def outcomes(rules: Rules, records: Iterable[RawRecord], workers: int) -> Iterator[tuple[Outcome, int]]:
    """What becomes of each chunk, in the order of the file."""
    if workers < 2:
        for chunk, read in chunks(records):
            yield tokenise(rules, chunk), read
        return
    # Fresh processes: a fork of one that holds threads or a GPU may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=start, initargs=(rules,)) as pool:
        waiting: deque[tuple[Future[Outcome], int]] = deque()
        try:
            for chunk, read in chunks(records):
                waiting.append((pool.submit(work, chunk), read))
                if len(waiting) >= AHEAD * workers:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[tuple[Future[Outcome], int]]) -> tuple[Outcome, int]:
    future, read = waiting.popleft()
    try:
        return future.result(), read
    except BrokenProcessPool as error:
        raise DataError(
            "a process that tokenised was killed from outside, perhaps for lack of memory.",
            fix="Start again with fewer workers.",
        ) from error


def selected(records: Iterable[RawRecord], rows: Sequence[int]) -> Iterator[RawRecord]:
    """Of all records those at these places (from 0)."""
    wanted = set(rows)
    return (record for place, record in enumerate(records) if place in wanted)
