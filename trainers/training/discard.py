"""A run that goes on from an earlier checkpoint leaves the later ones: nothing may go on from those again."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from vlmbench.trainers.evaluation.nouns import CANDIDATES, RUNS
from vlmbench.trainers.training import checkpoints

_OF_A_STEP = re.compile(r"(?:step|trained)-(\d+)")


def begins_at(work_dir: Path, resume: Path | Literal["latest"] | None) -> int:
    """The step from which such a run would go on; 0 where it begins anew."""
    if isinstance(resume, Path):
        return checkpoints.step_of(resume)
    found = checkpoints.whole(work_dir) if resume else []
    return checkpoints.step_of(found[-1]) if found else 0


def drop_after(work_dir: Path, step: int) -> str | None:
    """Remove every checkpoint above that step, and what was made and asked of it; says what, if anything."""
    dropped = sorted(_above(work_dir, step))
    for _, folder in dropped:
        # Renamed first: half of it is never taken for one.
        doomed = folder.with_name(f".{folder.name}.unfinished")
        shutil.rmtree(doomed, ignore_errors=True)
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
    if not dropped:
        return None
    steps = ", ".join(str(number) for number in sorted({number for number, _ in dropped}))
    return f"dropped what another way of this run had left after step {step}: checkpoints and runs of {steps}"


def _above(work_dir: Path, step: int) -> Iterator[tuple[int, Path]]:
    for folder in checkpoints.whole(work_dir):
        if (number := checkpoints.step_of(folder)) > step:
            yield number, folder
    for place in (CANDIDATES, RUNS):
        for folder in (work_dir / place).glob("*-*"):
            told = _OF_A_STEP.fullmatch(folder.name)
            if told is not None and int(told[1]) > step:
                yield int(told[1]), folder
