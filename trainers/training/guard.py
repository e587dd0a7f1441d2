"""Stops a run whose loss is not finite or has run away, or that cannot read too many pictures.

WORK_DIR/stopped-at-step-N.jsonl     a line for each rank: its loss and the ids of all its records
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vlmbench.errors import DataError, UserError
from vlmbench.files.json_files import as_line
from vlmbench.plain_text import visible
from vlmbench.trainers.recipe.model import Data

WINDOW = 20
"""Steps whose mean is compared."""
T = TypeVar("T")
_SHOWN = 32
"""Records named in the message itself."""


class Diverged(UserError):
    """The loss or the gradient is not finite, or the loss has run away."""


class StoppedElsewhere(Diverged):
    """Another rank stopped the run and reports why."""

    def __init__(self) -> None:
        super().__init__("another process stopped the run; its own message has the reason.")


class Guard:
    """Checks each optimizer step before it is taken."""

    def __init__(self, window: int = WINDOW) -> None:
        self._first: list[float] = []
        self._last: deque[float] = deque(maxlen=window)
        self._window = window

    def check(
        self, step: int, own: float, every: Sequence[float], norm: float | None, records: Sequence[str]
    ) -> None:
        """Raise where a rank's loss or the gradient is no finite number, or the mean loss has run away.

        `own` is this rank's loss, `every` that of all ranks. All raise in the same step, and those whose own
        loss is broken name their records.
        """
        if not math.isfinite(own):
            raise _stopped(f"the loss is {own}", step, records)
        if not all(map(math.isfinite, every)):
            raise StoppedElsewhere
        if norm is not None and not math.isfinite(norm):
            raise _stopped(f"the gradient's norm is {norm}", step, records)
        self._check_mean(step, sum(every) / len(every), records)

    def _check_mean(self, step: int, loss: float, records: Sequence[str]) -> None:
        """Raise where the last steps' mean is more than twice that of the first steps, and a nat above it."""
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
        fix="Look at these records. --resume continues from the last checkpoint, also with a lower "
        "--set schedule.lr=RATE; with other records, training starts anew in another --work-dir.",
    )


@contextlib.contextmanager
def batch_kept(work_dir: Path, step: int, rank: int, loss: float, records: Sequence[str]) -> Iterator[None]:
    """Where the guard stops the run, write the batch of every rank to a file and name the file."""
    try:
        yield
    except Diverged as stopped:
        # JSON has no NaN and no infinity.
        shown = loss if math.isfinite(loss) else str(loss)
        own: dict[str, Any] = {"rank": rank, "loss": shown, "records": list(records)}
        every = of_all(own)
        file = work_dir / f"stopped-at-step-{step}.jsonl"
        with contextlib.suppress(OSError):
            if rank == 0:
                file.write_bytes(b"".join(map(as_line, every)))
        if isinstance(stopped, StoppedElsewhere):
            raise
        what = f"{stopped.what} All {sum(len(one['records']) for one in every)} ids: {file}."
        raise Diverged(what, fix=stopped.fix) from None


def of_all(own: T) -> list[T]:
    """The value of each rank, in their order; a collective."""
    from torch import distributed

    if not distributed.is_initialized():
        return [own]
    every: list[Any] = [None] * distributed.get_world_size()
    distributed.all_gather_object(every, own)
    return every


class Skipped:
    """Records whose pictures could not be read, each once; every rank has the same."""

    def __init__(self, data: Data, listed: Path) -> None:
        self._data, self._listed = data, listed
        self._known: set[str] = set()

    def __len__(self) -> int:
        return len(self._known)

    def add(self, own: Sequence[str], *, first: bool) -> None:
        """Add what each rank left out in a step; beyond the recipe's limit all stop, rank 0 with an error."""
        self._known.update(record for each in of_all(list(own)) for record in each)
        if self._data.broken != "skip" or len(self) <= self._data.broken_limit:
            return
        if not first:
            raise StoppedElsewhere
        raise DataError(
            f"{len(self)} pictures could not be read, in all processes together, and `data.broken_limit` is "
            f"{self._data.broken_limit}; the last: {max(own, default=max(self._known))}",
            file=self._listed,
            fix="Mend them (`vlmbench data check` lists them), or raise the limit.",
        )
