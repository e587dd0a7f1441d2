"""The learning rate at each optimizer step, as a share of the full one.

The first W of N steps rise in a line from `warmup_from`, the last of them at the full rate; the rest fall to
zero. This is the published curve, which is stepped once a micro-batch: the two are the same where nothing is
accumulated. W is one at least and leaves one step at least, where the published curve fails on fewer than 34
steps and never rises on fewer than 67.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from vlmbench.trainers.plan.steps import warmup_steps
from vlmbench.trainers.recipe.model import Schedule


def curve(schedule: Schedule, steps: int) -> Callable[[int], float]:
    """The share at step 0, 1, … of so many."""
    rising = warmup_steps(schedule, steps)

    def share(step: int) -> float:
        if step < rising:
            return _risen(schedule.warmup_from, step, rising)
        return _fallen(schedule, step - rising, steps - rising)

    return share


def _risen(first: float, step: int, rising: int) -> float:
    return first if rising == 1 else first + (1 - first) * step / (rising - 1)


def _fallen(schedule: Schedule, step: int, falling: int) -> float:
    done = min(step / falling, 1.0) if falling else 1.0
    if schedule.curve == "constant":
        return 1.0
    return 1 - done if schedule.curve == "linear" else (1 + math.cos(math.pi * done)) / 2
