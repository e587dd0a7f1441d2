"""Raw records to a batch of an Arrow file: the work of one process."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vlmbench.errors import DataError
from vlmbench.templates import IMAGE, Turn

from .encoding import Encoded, Encoder
from .fitting import Fitted, Limit, fit
from .records import Placement, Record, ask_for, read_record, turns_of

if TYPE_CHECKING:
    import pyarrow as pa

BAD = "cannot be used"
NEVER_SHOWN = "picture never shown"
LITERAL = "`<image>` without a picture, kept as text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """How records become tokens."""

    encoder: Encoder
    limit: Limit
    placement: Placement = "first"
    file: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the token file."""

    record: Record
    encoded: Encoded
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """What was done to a record, or why it is left out."""

    row: int
    id: str
    what: str
    left_out: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of some records."""

    batch: bytes
    rows: int
    records: int
    tokens: int
    targets: int
    notes: list[Note]
    bad: list[tuple[int, str]]
    """Row and complaint: an error loses its parts on the way between processes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    record: Record
    turns: list[Turn]


def tokenise(rules: Rules, texts: Sequence[tuple[int, str]]) -> Outcome:
    """Some records, given as (number, JSON), as an Arrow batch."""
    rows, notes, bad = tokenised(rules, texts)
    return Outcome(
        batch=_batch(rows),
        rows=len(rows),
        records=len(texts),
        tokens=sum(len(row.encoded.ids) for row in rows),
        targets=sum(row.encoded.targets for row in rows),
        notes=notes,
        bad=bad,
    )


def tokenised(
    rules: Rules, texts: Sequence[tuple[int, str]]
) -> tuple[list[Row], list[Note], list[tuple[int, str]]]:
    """The rows, what was done to which record, and the records that cannot be used."""
    read, bad = _read_all(rules, texts)
    whole = rules.encoder.encode_all([(r.turns, bool(r.record.images)) for r in read])
    rows: list[Row] = []
    notes: list[Note] = []
    for one, encoded in zip(read, whole, strict=True):
        record, pictures = one.record, bool(one.record.images)
        fitted = fit(rules.encoder, one.turns, encoded, rules.limit, pictures=pictures)
        if not isinstance(fitted, Fitted):
            notes.append(Note(row=record.row, id=record.id, what=fitted, left_out=True))
            continue
        notes += [Note(row=record.row, id=record.id, what=what) for what in _remarks(one, fitted)]
        shown = fitted.encoded.pictures
        rows.append(Row(record=record, encoded=fitted.encoded, images=record.images[:shown]))
    return rows, notes, bad


def _remarks(read: _Read, fitted: Fitted) -> list[str]:
    remarks: list[str] = [fitted.change] if fitted.change else []
    said = any(IMAGE in turn.question for turn in read.turns)
    if said and not read.record.images:
        remarks.append(LITERAL)
    if read.record.images and not said:
        remarks.append(NEVER_SHOWN)
    return remarks


def _read_all(rules: Rules, texts: Sequence[tuple[int, str]]) -> tuple[list[_Read], list[tuple[int, str]]]:
    read: list[_Read] = []
    bad: list[tuple[int, str]] = []
    for row, text in texts:
        try:
            record = read_record(text, row, rules.file)
            # What has no picture cannot show one: `<image>` is text there.
            placement = rules.placement if record.images or rules.placement == "image_only" else "as_written"
            turns = rules.encoder.style.kept(turns_of(record, placement, rules.file))
            count_pictures(record, rules.placement, rules.file)
        except DataError as error:
            bad.append((row, str(error)))
        else:
            read.append(_Read(record=record, turns=turns))
    return read, bad


def count_pictures(record: Record, placement: Placement, file: Path) -> None:
    """Raise where the text does not show as many pictures as there are; none at all is allowed."""
    if not record.images:
        return
    marks = [text.count(IMAGE) for speaker, text in record.messages if speaker == "human"]
    shown = sum(marks) if placement == "as_written" else sum(map(bool, marks))
    if shown in (0, len(record.images)):
        return
    fix = "Give each picture one `<image>`."
    if placement != "as_written" and sum(marks) == len(record.images):
        fix = f"Several in one question are allowed by {ask_for('as_written')}."
    raise DataError(
        f"the questions show {shown} pictures, and `image` names {len(record.images)}.",
        file=file,
        row=record.row,
        fix=fix,
    )


def schema() -> pa.Schema:
    """The columns of a token file."""
    import pyarrow as pa

    return pa.schema(
        [
            ("row", pa.int64()),
            ("id", pa.string()),
            ("images", pa.list_(pa.string())),
            ("has_image", pa.bool_()),
            ("ids", pa.large_list(pa.int32())),
            ("learned", pa.list_(pa.int32())),
        ]
    )


def _batch(rows: Sequence[Row]) -> bytes:
    import pyarrow as pa

    ids = [np.array(row.encoded.ids, np.int32) for row in rows]
    ends = np.cumsum([0, *(len(one) for one in ids)], dtype=np.int64)
    flat = np.concatenate(ids) if ids else np.zeros(0, np.int32)
    learned = [[edge for run in row.encoded.learned for edge in run] for row in rows]
    columns = [
        pa.array([row.record.row for row in rows], pa.int64()),
        pa.array([row.record.id for row in rows], pa.string()),
        pa.array([row.images for row in rows], pa.list_(pa.string())),
        pa.array([bool(row.record.images) for row in rows], pa.bool_()),
        pa.LargeListArray.from_arrays(pa.array(ends), pa.array(flat)),
        pa.array(learned, pa.list_(pa.int32())),
    ]
    batch = pa.record_batch(columns, schema=schema())
    return bytes(batch.serialize())


_RULES: Rules | None = None


def start(rules: Rules) -> None:
    """Make a fresh process ready for `work`."""
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


def work(texts: Sequence[tuple[int, str]]) -> Outcome:
    """`tokenise` in a process that has been started."""
    if _RULES is None:
        raise RuntimeError("`start` comes first.")
    return tokenise(_RULES, texts)
