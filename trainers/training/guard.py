"""Stops a run whose loss is no number any more, or has run away, and names the records of the batch."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence

from vlmbench.errors import UserError
from vlmbench.plain_text import visible

WINDOW = 20
"""Steps whose mean is compared."""


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
    shown = ", ".join(visible(record, 80) for record in records[:32]) + (", …" if len(records) > 32 else "")
    return Diverged(
        f"{what}, in step {step}; no step was taken on it. The batch: {shown}.",
        fix="Look at these records, or lower schedule.lr; --resume goes on from the last checkpoint.",
    )
