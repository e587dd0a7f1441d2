"""Advisory locks between processes. The system drops a lock when its holder dies, however it dies."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO


def lock_file(opened: IO[bytes] | IO[str] | int, *, shared: bool = False, wait: bool = False) -> None:
    """Lock an open file. Raises OSError where another process holds the lock, unless `wait`."""
    if sys.platform == "win32":
        import msvcrt

        handle = opened if isinstance(opened, int) else opened.fileno()
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(opened, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))


def unlock_file(opened: IO[bytes] | IO[str] | int) -> None:
    """Give the lock back. Closing the file is not enough where a forked process has inherited it."""
    if sys.platform != "win32":  # there the lock goes with the handle, which no child inherits
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_UN)


def exclusive(file: Path, waiting: Callable[[], None] | None = None) -> AbstractContextManager[bool]:
    """Wait for the lock on this file and hold it; gives False where the system has no locks.

    `waiting` is called once where another process holds it.

    Callers stay correct without the lock, since results are renamed into place; only the work is done
    twice.
    """
    return _held(file, together=False, waiting=waiting)


def shared(file: Path) -> AbstractContextManager[bool]:
    """The same, held by any number at once; `exclusive` and `lock_file` wait or fail as long as one does."""
    return _held(file, together=True)


@contextmanager
def _held(file: Path, *, together: bool, waiting: Callable[[], None] | None = None) -> Iterator[bool]:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = file.open("ab")
    except OSError:
        yield False
        return
    with handle:
        try:
            _wait(handle, together, waiting)
        except OSError:  # network file systems without locks
            yield False
        else:
            try:
                yield True
            finally:
                unlock_file(handle)


def _wait(handle: IO[bytes], together: bool, waiting: Callable[[], None] | None) -> None:
    if waiting is not None:
        try:
            return lock_file(handle, shared=together)
        except (BlockingIOError, PermissionError):  # on Windows the latter
            waiting()
    return lock_file(handle, shared=together, wait=True)
