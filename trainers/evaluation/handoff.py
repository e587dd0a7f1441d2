"""What the first process alone does between two stages, while the others wait: as long as it takes and lives.

The next stage begins with a meeting that nobody may be late for, and a benchmark may take hours.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError

BEAT, PATIENCE = 10.0, 600.0
"""Seconds from one sign of life to the next, and without any until the first process is given up."""
_FAILED = 1

What = Callable[[], Mapping[str, Any]]
"""Says what is done of which model: it may be made meanwhile."""


def mark_of(work_dir: Path, place: int) -> Path:
    """The file of that place in a chain: the first process may be ahead by more than one."""
    return work_dir / f".between-stages-{place}.json"


def done_by_first(mark: Path, what: What, do: Callable[[], int], beat: float = BEAT) -> int:
    """The exit code of `do`, told to the others with signs of life on the way."""
    sitting, beats, ending = uuid.uuid4().hex, itertools.count(), threading.Event()

    def tell(code: int | None) -> None:
        # Before training there may be no folder, and nobody waits.
        with contextlib.suppress(OSError):
            said = {"what": what(), "code": code, "sitting": sitting, "beat": next(beats)}
            aside = mark.with_name(f"{mark.name}.tmp")
            aside.write_text(json.dumps(said), "utf-8")
            aside.replace(mark)

    def live() -> None:
        tell(None)
        while not ending.wait(beat):
            tell(None)

    living = threading.Thread(target=live, daemon=True)
    living.start()
    code = _FAILED
    try:
        code = do()
    finally:
        ending.set()
        living.join()
        tell(code)
    return code


def wait_for_first(mark: Path, what: What, patience: float = PATIENCE, pause: float = 1.0) -> int:
    """Its exit code, once it is done with that; a failure that was told before this wait is not believed."""
    asked = json.loads(json.dumps(what()))
    begun = last = _told(mark)
    since = time.monotonic()
    while True:
        told = _told(mark)
        if told != last:
            last, since = told, time.monotonic()
        code = told.get("code")
        if told.get("what") == asked and (code == 0 or (code is not None and told != begun)):
            return int(code)
        if time.monotonic() - since > patience:
            raise UserError(
                f"the first process has given no sign of life for {patience:.0f} s.",
                file=mark,
                fix="Look at its output; the work folder must be one that every machine sees.",
            )
        time.sleep(pause)


def _told(mark: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(mark.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return told
