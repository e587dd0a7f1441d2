"""One process of a distributed run makes the tokenised set, the others wait for the file.

No collective is involved, so nothing times out while a large set is made. The home folder must be one that
all of them see; where every machine has a disk of its own, one process on each machine leads.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from vlmbench.errors import DataError
from vlmbench.files.heartbeat import Heartbeat, repeatedly, wait_for, write_note
from vlmbench.files.json_files import line_object

from .prepare import TokenSpec, folder_of, open_tokens, prepare
from .progress import ShowPace, quiet
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
    progress: ShowPace = quiet,
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
    """A failure stays in the file for the others; after a success there is none."""
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
            raise DataError(f"the process that tokenises has failed: {failure}", file=spec.file)
        return None

    def late(still: float) -> DataError:
        return DataError(
            f"the process that tokenises has given no sign of life for {still:.0f} s.",
            file=spec.file,
            fix="Look at the first rank's output, then start again: a half-made set is never used.",
        )

    return wait_for(made, _beat_file(spec, home), late, patience=patience, start_patience=start_patience)
