"""What libraries write while a verb works, kept in a log and named where the verb fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmbench.model_files.foreign_output import LIBRARIES, LibraryLog
from vlmbench.terminal.screen import note


@contextmanager
def libraries_apart(verb: str) -> Iterator[None]:
    """For a verb without a folder of its own: the log is in VLMBENCH_HOME/libraries."""
    log = LibraryLog.of_command(verb)
    try:
        with log.diverted():
            yield
    except BaseException:
        _name(log.written())
        raise


@contextmanager
def libraries_in(folder: Path, log: LibraryLog) -> Iterator[None]:
    """For a run: what comes meanwhile is in the folder afterwards, unless the run did not begin."""
    try:
        with log.diverted():
            yield
    finally:
        _name(log.moved_to(folder / LIBRARIES))


def _name(file: Path | None) -> None:
    if file is not None:
        note(f"what libraries wrote: {file}")
