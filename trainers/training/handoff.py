"""Ranks wait for what rank 0 alone does, by files and without a collective that could time out.

Between two stages rank 0 evaluates; the other ranks wait on its heartbeat file, however long that takes. The
next stage begins with a rendezvous that no rank may be late for, and a benchmark may take hours.
"""

from __future__ import annotations

import itertools
import json
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError
from vlmbench.files.heartbeat import Heartbeat, repeatedly, wait_for, write_note
from vlmbench.files.json_files import line_object

BEAT, PATIENCE = 10.0, 600.0
"""Seconds from one heartbeat to the next, and without one until rank 0 counts as dead."""
_FAILED = 1

What = Callable[[], Mapping[str, Any]]
"""What is done, and of which model; called for each heartbeat, since the model may be made meanwhile."""
FILE_PATIENCE = 1800.0
"""Seconds until a file that rank 0 writes without a heartbeat must be there."""


def mark_of(work_dir: Path, place: int) -> Path:
    """The heartbeat file of that place in a chain: rank 0 may be ahead by more than one."""
    return work_dir / f".between-stages-{place}.json"


def done_by_first(mark: Path, what: What, do: Callable[[], int], beat: float = BEAT) -> int:
    """The exit code of `do`, with a heartbeat while it works; the code is written for the other ranks."""
    sitting, beats = uuid.uuid4().hex, itertools.count()

    def write(code: int | None) -> None:
        write_note(mark, {"what": what(), "code": code, "sitting": sitting, "beat": next(beats)})

    code = _FAILED
    try:
        with repeatedly(lambda: write(None), beat):
            code = do()
    finally:
        write(code)
    return code


def wait_for_first(mark: Path, what: What, patience: float = PATIENCE, pause: float = 1.0) -> int:
    """The exit code that rank 0 wrote; a failure from before this wait began is not taken for this one's."""
    asked = json.loads(json.dumps(what()))

    def code(rank_0: Heartbeat) -> int | None:
        note = line_object(rank_0.text) or {}
        code = note.get("code")
        fresh = code == 0 or rank_0.text != rank_0.first
        return int(code) if code is not None and note.get("what") == asked and fresh else None

    def late(_: float) -> UserError:
        return UserError(
            f"the first process has given no sign of life for {patience:.0f} s.",
            file=mark,
            fix="Look at its output; the work folder must be one that every machine sees.",
        )

    return wait_for(code, mark, late, patience=patience, pause=pause)


def wait_for_file(path: Path, patience: float = FILE_PATIENCE) -> None:
    """Return once the file or folder is there."""

    def late(_: float) -> UserError:
        return UserError(
            f"the first process did not write this within {patience:.0f} s.",
            file=path,
            fix="Look at its output; VLMBENCH_HOME must be a folder that every process sees.",
        )

    wait_for(lambda _: path.exists() or None, path, late, patience=patience)
