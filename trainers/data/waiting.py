"""One process of a distributed run makes the tokenised set, the others wait for the file.

No collective is involved, so nothing times out while a large set is made. The maker shows that it lives by a
heartbeat file; waiters compare its text with what they saw before, by their own clocks, so that neither
process ids nor clocks of other machines matter. The home folder must be one that all of them see; where every
machine has a disk of its own, one process on each machine leads.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vlmbench.errors import DataError

from .prepare import TokenSpec, folder_of, open_tokens, prepare
from .progress import Progress, quiet
from .token_file import TokenFile

BEAT = 1.0
PATIENCE = 60.0
"""Seconds without a heartbeat after which the leader counts as dead."""
START_PATIENCE = 600.0
"""The same before its first heartbeat: it may still be importing, or reading other data."""
_GRACE = 3.0
"""A failure that stands unchanged for this long is not one of an earlier start, about to be overwritten."""


def shared_tokens(
    spec: TokenSpec,
    *,
    leader: bool,
    home: Path | None = None,
    workers: int | None = None,
    progress: Progress = quiet,
    patience: float = PATIENCE,
    start_patience: float = START_PATIENCE,
) -> TokenFile:
    """The set: made by the leader, awaited by everybody else."""
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
    """A text that changes every second for as long as this lasts; a failure stays behind for the others."""
    stop = threading.Event()
    file.parent.mkdir(parents=True, exist_ok=True)

    def beat() -> None:
        while not stop.wait(BEAT):
            _write(file, {"alive": time.time_ns()})

    _write(file, {"alive": time.time_ns()})
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    except BaseException as error:
        stop.set()
        thread.join()
        _write(file, {"failed": str(error) or type(error).__name__, "at": time.time_ns()})
        raise
    stop.set()
    thread.join()
    with suppress(OSError):
        file.unlink()


def _write(file: Path, note: dict[str, object]) -> None:
    # Too full a disk to say so is noticed by what is being made.
    with suppress(OSError):
        file.write_text(json.dumps(note), "utf-8")


def _await(spec: TokenSpec, home: Path | None, patience: float, start_patience: float) -> TokenFile:
    file = _beat_file(spec, home)
    seen, since = _read(file), time.monotonic()
    while (found := open_tokens(spec, home)) is None:
        time.sleep(0.2)
        now = _read(file)
        if now != seen:
            seen, since = now, time.monotonic()
            continue
        still = time.monotonic() - since
        if (failure := _failure(seen)) is not None and still > min(_GRACE, patience):
            raise DataError(f"the process that tokenises has failed: {failure}", file=spec.file)
        if still > (patience if seen else start_patience):
            raise DataError(
                f"the process that tokenises has given no sign of life for {still:.0f} s.",
                file=spec.file,
                fix="Look at the first rank's output, then start again: a half-made set is never used.",
            )
    return found


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except OSError:
        return ""


def _failure(text: str) -> str | None:
    try:
        note = json.loads(text)
    except ValueError:  # caught in the middle of being written
        return None
    return str(note["failed"]) if isinstance(note, dict) and "failed" in note else None
