"""Raw records to batches of a token file: the work of one process, and of a pool of them in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from vlmbench.errors import DataError
from vlmbench.templates import IMAGE, Turn
from vlmbench.trainers.data.encoding import Encoder, Fitted, Limit, fit
from vlmbench.trainers.data.json_stream import RawRecord
from vlmbench.trainers.data.records import (
    Placement,
    Record,
    check_picture_count,
    read_record,
    turns_of,
)
from vlmbench.trainers.data.token_file import TokenisedRecord, batch_of

BAD = "cannot be used"
NEVER_SHOWN = "picture never shown"
LITERAL = "`<image>` without a picture, kept as text"

CHUNK_RECORDS, CHUNK_CHARACTERS = 512, 1 << 20
AHEAD = 3
"""Chunks in flight for each process."""

Chunk = list[tuple[int, str]]
"""Numbers of records, and their JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How records become tokens."""

    encoder: Encoder
    limit: Limit
    placement: Placement = "first"
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordNote:
    """What was done to a record, or why it is left out."""

    row: int
    id: str
    what: str
    left_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkResult:
    """Some records as a batch of the token file, with counts and what was left out or changed."""

    batch: bytes
    rows: int
    records: int
    tokens: int
    targets: int
    notes: list[RecordNote]
    bad: list[tuple[int, str]]
    """Row number and complaint: an error loses its parts on the way between processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    record: Record
    turns: list[Turn]


def tokenise(rules: Rules, texts: Chunk) -> ChunkResult:
    """Some records, given as (number, JSON), as an Arrow batch."""
    rows, notes, bad = tokenised(rules, texts)
    return ChunkResult(
        batch=batch_of(rows),
        rows=len(rows),
        records=len(texts),
        tokens=sum(len(row.encoded.ids) for row in rows),
        targets=sum(row.encoded.targets for row in rows),
        notes=notes,
        bad=bad,
    )


def tokenised(
    rules: Rules, texts: Chunk
) -> tuple[list[TokenisedRecord], list[RecordNote], list[tuple[int, str]]]:
    """The rows, what was done to which record, and the records that cannot be used (number, complaint)."""
    read, bad = _read_all(rules, texts)
    whole = rules.encoder.encode_all([(r.turns, bool(r.record.images)) for r in read])
    rows: list[TokenisedRecord] = []
    notes: list[RecordNote] = []
    for one, encoded in zip(read, whole, strict=True):
        record, pictures = one.record, bool(one.record.images)
        fitted = fit(rules.encoder, one.turns, encoded, rules.limit, pictures=pictures)
        if not isinstance(fitted, Fitted):
            notes.append(RecordNote(row=record.row, id=record.id, what=fitted, left_out=True))
            continue
        notes += [RecordNote(row=record.row, id=record.id, what=what) for what in _remarks(one, fitted)]
        shown = fitted.encoded.pictures
        rows.append(TokenisedRecord(record=record, encoded=fitted.encoded, images=record.images[:shown]))
    return rows, notes, bad


def _remarks(read: _Read, fitted: Fitted) -> list[str]:
    remarks: list[str] = [fitted.change] if fitted.change else []
    shown = any(IMAGE in turn.question for turn in read.turns)
    if shown and not read.record.images:
        remarks.append(LITERAL)
    if read.record.images and not shown:
        remarks.append(NEVER_SHOWN)
    return remarks


def _read_all(rules: Rules, texts: Chunk) -> tuple[list[_Read], list[tuple[int, str]]]:
    read: list[_Read] = []
    bad: list[tuple[int, str]] = []
    for row, text in texts:
        try:
            record = read_record(text, row, rules.file)
            # What has no picture cannot show one: `<image>` is text there.
            placement = rules.placement if record.images or rules.placement == "image_only" else "as_written"
            turns = rules.encoder.style.kept(turns_of(record, placement, rules.file))
            check_picture_count(record, rules.placement, rules.file)
        except DataError as error:
            bad.append((row, str(error)))
        else:
            read.append(_Read(record=record, turns=turns))
    return read, bad


def chunks(records: Iterable[RawRecord]) -> Iterator[tuple[Chunk, int]]:
    """Records in chunks, each with how many bytes of the file have been read by then."""
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


def tokenise_all(
    rules: Rules, records: Iterable[RawRecord], workers: int
) -> Iterator[tuple[ChunkResult, int]]:
    """The result of each chunk in the order of the file, with how many bytes have been read by then."""
    if workers < 2:
        for chunk, read in chunks(records):
            yield tokenise(rules, chunk), read
        return
    # Fresh processes: a fork of one that holds threads or a GPU may hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(rules,)) as pool:
        waiting: deque[tuple[Future[ChunkResult], int]] = deque()
        try:
            for chunk, read in chunks(records):
                waiting.append((pool.submit(_work, chunk), read))
                if len(waiting) >= AHEAD * workers:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _next(waiting: deque[tuple[Future[ChunkResult], int]]) -> tuple[ChunkResult, int]:
    future, read = waiting.popleft()
    try:
        return future.result(), read
    except BrokenProcessPool as error:
        raise DataError(
            "a tokenising process was killed from outside, perhaps for lack of memory.",
            fix="Start again with fewer workers.",
        ) from error


def selected(records: Iterable[RawRecord], rows: Sequence[int]) -> Iterator[RawRecord]:
    """The records at these places (from 0)."""
    wanted = set(rows)
    return (record for place, record in enumerate(records) if place in wanted)


_RULES: Rules | None = None
"""Of a process of the pool."""


def _start(rules: Rules) -> None:
    """Make a fresh process ready for `_work`."""
    global _RULES
    # One thread a process: there are as many processes as cores.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # Ctrl-C is the parent's to answer; a parent that was killed must leave nobody behind.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _RULES = rules


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(texts: Chunk) -> ChunkResult:
    if _RULES is None:
        raise RuntimeError("`_start` comes first.")
    return tokenise(_RULES, texts)
