"""One process works and others wait for it, by a file: no collective that could time out.

The worker rewrites its heartbeat file every few seconds. A waiter compares the file's text with what it saw
before, by its own clock, so neither process ids nor clocks of other machines matter. The file must be in a
folder that all of them see.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from vlmbench.errors import UserError
from vlmbench.files.atomic import atomic_file

T = TypeVar("T")


@contextmanager
def repeatedly(act: Callable[[], None], every: float) -> Iterator[None]:
    """Call `act` now and every so many seconds, in a thread, until the block ends; never after it."""
    over = threading.Event()

    def repeat() -> None:
        act()
        while not over.wait(every):
            act()

    thread = threading.Thread(target=repeat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def write_note(file: Path, note: Mapping[str, Any], indent: int | None = None) -> None:
    """Put a small JSON file in place at once. A full disk is left to the work itself to report."""
    with suppress(OSError), atomic_file(file) as aside:
        aside.write_text(json.dumps(note, indent=indent) + "\n", "utf-8")


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """What a waiter sees: the file's text, what it was when the wait began, seconds since it last changed."""

    text: str
    first: str
    still: float


def wait_for(
    done: Callable[[Heartbeat], T | None],
    file: Path,
    late: Callable[[float], UserError],
    *,
    patience: float,
    start_patience: float | None = None,
    pause: float = 0.2,
) -> T:
    """What `done` gives, as soon as it is not None.

    Raises `late(seconds)` once the heartbeat file has not changed for `patience` seconds, or, where there is
    no such file yet, for `start_patience`.
    """
    first = seen = _read(file)
    since = time.monotonic()
    while True:
        still = time.monotonic() - since
        if (found := done(Heartbeat(seen, first, still))) is not None:
            return found
        if still > (patience if seen or start_patience is None else start_patience):
            raise late(still)
        time.sleep(pause)
        now = _read(file)
        if now != seen:
            seen, since = now, time.monotonic()


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, ValueError):
        return ""
