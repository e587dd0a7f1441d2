"""Stops a run whose loss is no number any more, or has run away, and names the records of the batch.

WORK_DIR/stopped-at-step-N.jsonl     a line a process: its loss and the ids of all its records
"""

from __future__ import annotations

import contextlib
import json
import math
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vlmbench.errors import UserError
from vlmbench.plain_text import visible

WINDOW = 20
"""Steps whose mean is compared."""
T = TypeVar("T")
_SHOWN = 32
"""Records named in the message itself."""


class Diverged(UserError):
    """The loss is of no use any more."""


class Elsewhere(Diverged):
    """Another process stopped the run, and says why."""

    def __init__(self) -> None:
        super().__init__("stopped with the process that could not go on.")


class Guard:
    """Looks at each optimizer step before it is taken."""

    def __init__(self, window: int = WINDOW) -> None:
        self._first: list[float] = []
        self._last: deque[float] = deque(maxlen=window)
        self._window = window

    def check(
        self, step: int, own: float, every: Sequence[float], norm: float | None, records: Sequence[str]
    ) -> None:
        """Raise where a process' loss or the gradient is no finite number, or the mean loss has run away.

        `own` is this process' loss, `every` that of all; all raise together, and those whose own loss is
        broken name their records.
        """
        if not math.isfinite(own):
            raise _stopped(f"the loss is {own}", step, records)
        if not all(map(math.isfinite, every)):
            raise Elsewhere
        if norm is not None and not math.isfinite(norm):
            raise _stopped(f"the gradient's norm is {norm}", step, records)
        self._watch(step, sum(every) / len(every), records)

    def _watch(self, step: int, loss: float, records: Sequence[str]) -> None:
        """Run away: the last steps' mean is more than twice that of the first, and a whole nat above it."""
        if len(self._first) < self._window:
            self._first.append(loss)
            return
        self._last.append(loss)
        began = sum(self._first) / len(self._first)
        now = sum(self._last) / len(self._last)
        if len(self._last) == self._window and now > 2 * began + 1:
            what = f"the loss has run away, from {began:.3g} to {now:.3g} over the last {self._window} steps"
            raise _stopped(what, step, records)


def _stopped(what: str, step: int, records: Sequence[str]) -> Diverged:
    shown = ", ".join(visible(record, 80) for record in records[:_SHOWN])
    more = f" and {len(records) - _SHOWN} more" if len(records) > _SHOWN else ""
    return Diverged(
        f"{what}, in step {step}; no step was taken on it. The batch: {shown}{more}.",
        fix="Look at these records. --resume goes on from the last checkpoint, also with a lower "
        "--set schedule.lr=RATE; with other records, training begins anew in another --work-dir.",
    )


@contextlib.contextmanager
def batch_kept(work_dir: Path, step: int, rank: int, loss: float, records: Sequence[str]) -> Iterator[None]:
    """Where the guard stops the run, the batch of every process is written down, and the file is named."""
    try:
        yield
    except Diverged as stopped:
        # JSON has no word for what is no number.
        said = loss if math.isfinite(loss) else str(loss)
        own: dict[str, Any] = {"rank": rank, "loss": said, "records": list(records)}
        every = of_all(own)
        file = work_dir / f"stopped-at-step-{step}.jsonl"
        with contextlib.suppress(OSError):
            if rank == 0:
                file.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in every), "utf-8")
        if isinstance(stopped, Elsewhere):
            raise
        told = f"{stopped.what} All {sum(len(one['records']) for one in every)} ids: {file}."
        raise Diverged(told, fix=stopped.fix) from None


def of_all(own: T) -> list[T]:
    """What each process has, in their order; all of them stop in the same step."""
    from torch import distributed

    if not distributed.is_initialized():
        return [own]
    every: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(every, own)
    return every
