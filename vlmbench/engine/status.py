"""How a run is doing: progress for the console, and a file beside the answers for `vlmbench status`.

    status.json   stage, process, done, total, errors, rate, workers; put in place whole, once a second

A thread of its own writes the file, so a run that waits for one long answer still shows that it lives, and a
slow disk slows nothing down. A run never reads it back; `read_status` is for those who watch.
"""

from __future__ import annotations

import os
import platform
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from vlmbench.domain import Response
from vlmbench.files.fields import as_instance, fitting, wrong_field
from vlmbench.files.heartbeat import repeatedly, write_note
from vlmbench.files.json_files import object_or_none
from vlmbench.store import STATUS

EVERY = 1.0
_RECENT = 60
"""The rate is that of the last so many seconds."""
Workers = Callable[[], list[dict[str, Any]]]


class RunProgress(Protocol):
    """Receives what a run does. The engine calls it; the command line draws it."""

    def say(self, text: str) -> None:
        """A message: what is being loaded, what was found."""

    def begin(self, total: int, done: int) -> None:
        """Answering starts: so many questions, so many of them answered in an earlier sitting."""

    def advance(self, response: Response) -> None:
        """One more answer."""

    def end(self) -> None:
        """Answering is over, finished or not."""


class SilentProgress:
    """A receiver that shows nothing."""

    def _ignore(self, *_: object, **__: object) -> None:
        pass

    say = begin = advance = end = _ignore


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """A worker, as the file lists it."""

    worker: int
    state: str
    done: int
    errors: int
    in_hand: int
    quiet_seconds: float
    replaced: int
    host: str | None = None
    pid: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The file as it is read back; what is damaged in it is left out."""

    stage: str = ""
    reason: str | None = None
    process: int | None = None
    host: str | None = None
    written: float | None = None
    total: int = 0
    done: int = 0
    rows_per_second: float | None = None
    workers: tuple[Mapping[str, Any], ...] = ()


def read_status(folder: Path) -> RunStatus | None:
    """How the run in this folder is doing; None where the file is missing or damaged."""
    document = object_or_none(folder / STATUS, own=True)
    if not document:
        return None
    workers = document.get("workers")
    known = [one for one in workers if _is_worker(one)] if isinstance(workers, list) else []
    return as_instance(RunStatus, {**fitting(RunStatus, document), "workers": known})


def _is_worker(found: object) -> bool:
    """Whether it has all that is shown of a worker."""
    whole = isinstance(found, dict) and set(found) >= _SHOWN
    return whole and wrong_field(WorkerStatus, found) is None  # type: ignore[arg-type]


_SHOWN = frozenset(WorkerStatus.__slots__) - {"reason"}


class StatusFile:
    """Passes progress on to another receiver and keeps the file up to date."""

    def __init__(self, folder: Path, progress: RunProgress, *, every: float = EVERY) -> None:
        self._path, self._progress = folder / STATUS, progress
        self._workers: Workers | None = None
        self._stage, self._reason = "loading", ""
        self._total = self._done = self._new = self._errors = 0
        self._started = time.time()
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._complained = False
        self._writing = repeatedly(self._write, every)

    def __enter__(self) -> StatusFile:
        self._writing.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writing.__exit__(None, None, None)
        self._stage = "finished" if error is None else "stopped"
        if error is not None and not isinstance(error, KeyboardInterrupt):
            self._reason = str(error) or type(error).__name__
        self._write()

    def of(self, model: object) -> None:
        """The model whose workers the file lists, if it has any."""
        self._workers = getattr(model, "workers", None)
        if pass_on := getattr(self._progress, "of", None):
            pass_on(model)

    def say(self, text: str) -> None:
        """A line for the user, passed on unchanged."""
        self._progress.say(text)

    def begin(self, total: int, done: int) -> None:
        """Answering starts: `done` of `total` rows have answers from before."""
        self._total, self._done, self._new, self._errors = total, done, 0, 0
        self._recent.clear()
        self._stage = "answering"
        self._progress.begin(total, done)

    def advance(self, response: Response) -> None:
        """One more answer."""
        self._done += 1
        self._new += 1
        self._errors += response.finish == "error"
        self._progress.advance(response)

    def end(self) -> None:
        """Answering is over; scoring follows."""
        self._stage = "scoring"
        self._progress.end()

    def document(self) -> dict[str, Any]:
        """The file's content now."""
        rate = self._rate()
        return {
            "stage": self._stage,
            "reason": self._reason or None,
            "process": os.getpid(),
            "host": platform.node(),
            "started": round(self._started, 3),
            "written": round(time.time(), 3),
            "total": self._total,
            "done": self._done,
            "asked": self._new,
            "errors": self._errors,
            "rows_per_second": None if rate is None else round(rate, 3),
            "workers": self._workers() if self._workers is not None else [],
        }

    def _rate(self) -> float | None:
        now = time.monotonic()
        self._recent.append((now, self._new))
        then, before = self._recent[0]
        return (self._new - before) / (now - then) if now > then and self._new > before else None

    def _write(self) -> None:
        """In place at once. Neither a full disk nor a mistake of ours stops a run here."""
        try:
            write_note(self._path, self.document(), indent=1)
        except Exception as error:
            if not self._complained:
                self._complained = True
                self._progress.say(f"{STATUS} cannot be written ({error!r}); the run goes on")
