"""Tokenised sets, made once for each content and found again by its digest.

In a distributed run one process makes the set (`leader`) and the others wait for the file. No collective is
involved, so nothing times out while a large set is made. The home folder must be one that all of them see;
where every machine has a disk of its own, one process on each machine leads.

VLMBENCH_HOME/tokens/<digest of data, tokenizer, template, limits and code version>/
    tokens.arrow   one line a sample
    facts.json     how it was made, what was left out or cut; written last
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmbench.cores import cores
from vlmbench.data.disk import file_digest, home_folder, writing
from vlmbench.errors import DataError
from vlmbench.files.atomic import atomic_folder
from vlmbench.files.heartbeat import Heartbeat, repeatedly, wait_for, write_note
from vlmbench.files.json_files import line_object
from vlmbench.files.locks import exclusive
from vlmbench.trainers.data.encoding import Encoder, Limit, Style
from vlmbench.trainers.data.json_stream import RawRecord, count_records, raw_records
from vlmbench.trainers.data.progress import ShowPace, TokenisingPace, quiet
from vlmbench.trainers.data.records import Notes, Placement, Policy
from vlmbench.trainers.data.token_file import FACTS, ROWS, TokenFile, schema
from vlmbench.trainers.data.tokenise import BAD, ChunkResult, Rules, selected, tokenise_all
from vlmbench.trainers.data.tokenizer import PieceTokenizer

SCHEMA = 1
"""Raise it when the same data would give other tokens; older sets are then made again."""
SMALL = 8_000_000
"""A file of fewer bytes is done sooner by one process than several are started."""
BEAT = 1.0
PATIENCE = 60.0
"""Seconds without a heartbeat after which the leader counts as dead."""
START_PATIENCE = 600.0
"""The same before its first heartbeat: it may still be importing, or reading other data."""
_GRACE = 3.0
"""A failure that stands unchanged for this many seconds is not one of an earlier start, soon overwritten."""


@dataclass(frozen=True, kw_only=True)
class TokenSpec:
    """Everything that decides a tokenised set."""

    file: Path
    tokenizer: PieceTokenizer
    style: Style
    limit: Limit
    placement: Placement = "first"
    subset: int | None = None
    """How many records to draw, before anything else; None: all."""
    seed: int = 0
    """Decides which records are drawn."""
    bad_records: Policy = field(default_factory=Policy)

    @cached_property
    def digest(self) -> str:
        """Of the data file."""
        return file_digest(self.file, "sha256")

    @cached_property
    def key(self) -> str:
        """The name of the set."""
        facts = {
            "schema": SCHEMA,
            "data": self.digest,
            "tokenizer": self.tokenizer.digest,
            "style": asdict(self.style),
            "limit": asdict(self.limit),
            "placement": self.placement,
            "subset": None if self.subset is None else [self.subset, self.seed],
            "bad_records": self.bad_records.action,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:40]


def folder_of(spec: TokenSpec, home: Path | None = None) -> Path:
    """Where the set is or will be."""
    return (home or home_folder()) / "tokens" / spec.key


def open_tokens(spec: TokenSpec, home: Path | None = None) -> TokenFile | None:
    """The set if it is there and whole."""
    folder = folder_of(spec, home)
    try:
        tokens = TokenFile(folder)
        whole = (folder / ROWS).stat().st_size == tokens.facts["bytes"]
    except (DataError, OSError, KeyError):
        return None
    return tokens if whole else None


def prepare(
    spec: TokenSpec,
    home: Path | None = None,
    *,
    workers: int | None = None,
    progress: ShowPace = quiet,
) -> TokenFile:
    """The set, made now if it is not there; of several processes on one machine one makes it."""
    if (found := open_tokens(spec, home)) is not None:
        return found
    folder = folder_of(spec, home)
    with exclusive(folder.with_name(f".{spec.key}.lock")):
        if (found := open_tokens(spec, home)) is not None:
            return found
        _make(spec, folder, workers, progress)
    return TokenFile(folder)


def _make(spec: TokenSpec, folder: Path, workers: int | None, progress: ShowPace) -> None:
    size = spec.file.stat().st_size
    fix = "Free some space, or set VLMBENCH_HOME to a folder with room that can be written."
    with writing(folder, f"the tokens of {spec.file.name}", size, fix), atomic_folder(folder) as aside:
        facts = _Maker(spec, aside / ROWS, size, progress).run(workers)
        if file_digest(spec.file, "sha256") != spec.digest:
            # It must not be kept under the digest of what it was a moment ago.
            raise DataError("the file changed while it was being read.", file=spec.file, fix="Start again.")
        (aside / FACTS).write_text(json.dumps(facts), "utf-8")


class _Maker:
    """Writes the results of the pool, and counts."""

    def __init__(self, spec: TokenSpec, target: Path, size: int, progress: ShowPace) -> None:
        self._spec, self._target, self._size, self._progress = spec, target, size, progress
        self._notes = Notes()
        self._batches: list[int] = []
        self._bad = self._records = self._rows = self._tokens = self._targets = 0
        self._share = 0.0

    def run(self, workers: int | None) -> dict[str, Any]:
        """All records; returns the facts."""
        import pyarrow as pa

        count = workers or (cores() if self._size >= SMALL else 1)
        with pa.OSFile(str(self._target), "wb") as sink, pa.ipc.new_file(sink, schema()) as file:
            for outcome, read in tokenise_all(self._rules(), self._records_wanted(), count):
                self._take(outcome)
                if outcome.rows:
                    buffer = pa.py_buffer(outcome.batch)
                    file.write_batch(pa.ipc.read_record_batch(buffer, schema()))
                self._share = read / self._size
                self._progress(TokenisingPace(self._records, self._tokens, self._share))
        self._progress(TokenisingPace(self._records, self._tokens, 1.0), done=True)
        if not self._rows:
            raise DataError(
                "not one record is left to train on.",
                file=self._spec.file,
                fix="; ".join(self._notes.lines()),
            )
        return self._facts()

    def _rules(self) -> Rules:
        spec = self._spec
        return Rules(
            encoder=Encoder(tokenizer=spec.tokenizer, style=spec.style),
            limit=spec.limit,
            placement=spec.placement,
            file=spec.file,
        )

    def _records_wanted(self) -> Iterator[RawRecord]:
        records = raw_records(self._spec.file)
        return records if self._spec.subset is None else self._drawn(records, self._spec.subset)

    def _drawn(self, records: Iterator[RawRecord], count: int) -> Iterator[RawRecord]:
        """A subset that seed and file decide, in the order of the file."""
        import numpy as np

        total = count_records(self._spec.file)
        if count >= total:
            return records
        rows = np.random.default_rng(self._spec.seed).choice(total, count, replace=False)
        return selected(records, rows.tolist())

    def _take(self, outcome: ChunkResult) -> None:
        for row, complaint in outcome.bad:
            self._bad += 1
            self._spec.bad_records.check(self._bad, DataError(complaint))
            self._notes.add(BAD, f"row {row}")
        for note in outcome.notes:
            self._notes.add(f"left out: {note.what}" if note.left_out else note.what, note.id)
        self._records += outcome.records
        self._tokens += outcome.tokens
        self._targets += outcome.targets
        self._rows += outcome.rows
        if outcome.rows:
            self._batches.append(self._rows)

    def _facts(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "source": str(self._spec.file),
            "records": self._records,
            "rows": self._rows,
            "tokens": self._tokens,
            "targets": self._targets,
            "bytes": self._target.stat().st_size,
            "batches": self._batches,
            "notes": self._notes.as_json(),
        }


def shared_tokens(
    spec: TokenSpec,
    *,
    leader: bool,
    home: Path | None = None,
    workers: int | None = None,
    progress: ShowPace = quiet,
    patience: float = PATIENCE,
    start_patience: float = START_PATIENCE,
) -> TokenFile:
    """The set, made by the leader and awaited by all other ranks. `patience` in seconds."""
    if (found := open_tokens(spec, home)) is not None:
        return found
    if leader:
        with _heartbeat(_beat_file(spec, home)):
            return prepare(spec, home, workers=workers, progress=progress)
    return _await(spec, home, patience, start_patience)


def _beat_file(spec: TokenSpec, home: Path | None) -> Path:
    folder = folder_of(spec, home)
    return folder.with_name(f".{spec.key}.beat")


@contextmanager
def _heartbeat(file: Path) -> Iterator[None]:
    """A failure stays in the file for the processes that wait; after a success there is no file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with repeatedly(lambda: write_note(file, {"alive": time.time_ns()}), BEAT):
            yield
    except BaseException as error:
        write_note(file, {"failed": str(error) or type(error).__name__, "at": time.time_ns()})
        raise
    with suppress(OSError):
        file.unlink()


def _await(spec: TokenSpec, home: Path | None, patience: float, start_patience: float) -> TokenFile:
    def made(leader: Heartbeat) -> TokenFile | None:
        if (found := open_tokens(spec, home)) is not None:
            return found
        failure = (line_object(leader.text) or {}).get("failed")
        if failure is not None and leader.still > min(_GRACE, patience):
            raise DataError(f"the tokenising process has failed: {failure}", file=spec.file)
        return None

    def late(still: float) -> DataError:
        return DataError(
            f"the tokenising process has given no sign of life for {still:.0f} s.",
            file=spec.file,
            fix="Read the first rank's output, then start again: a half-made set is never used.",
        )

    return wait_for(made, _beat_file(spec, home), late, patience=patience, start_patience=start_patience)
