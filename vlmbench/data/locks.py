"""One process at a time, where the system offers a lock that dies with its holder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(lock: Path) -> Iterator[bool]:
    """Wait for the lock file and hold it; gives False where there is no lock to be had.

    Nothing here is wrong without the lock, only done twice: results are renamed into place.
    """
    try:
        import fcntl

        lock.parent.mkdir(parents=True, exist_ok=True)
        handle = lock.open("ab")
    except (ImportError, OSError):
        yield False
        return
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:  # network file systems without locks
            yield False
        else:
            yield True
