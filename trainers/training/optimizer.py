"""AdamW with a group and a learning rate for each part, and the rate's curve over the steps.

The first W of N steps rise in a line from `warmup_from`, the last of them at the full rate; the rest fall to
zero. This is the published curve, which is stepped once a micro-batch: the two are the same without
accumulation. W is one at least and leaves one step at least, where the published curve fails on fewer than 34
steps and never rises on fewer than 67.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vlmbench.trainers.plan.steps import warmup_steps
from vlmbench.trainers.recipe.model import Schedule
from vlmbench.trainers.training.names import Part, part_of
from vlmbench.trainers.training.parts import trained

if TYPE_CHECKING:
    import torch


def rates(schedule: Schedule) -> dict[Part, float]:
    """The full learning rate of each part."""
    return {
        "language": schedule.lr,
        "vision": schedule.lr if schedule.vision_lr is None else schedule.vision_lr,
        "projector": schedule.lr if schedule.projector_lr is None else schedule.projector_lr,
    }


def optimizer(model: Any, schedule: Schedule, *, on_gpu: bool) -> torch.optim.Optimizer:
    """AdamW over the trained parameters, a group for each part under its name."""
    import torch

    full = rates(schedule)
    groups = []
    for part, rate in full.items():
        members = [parameter for name, parameter in trained(model) if part_of(name) == part]
        if members:
            groups.append({"params": members, "lr": rate, "name": part})
    return torch.optim.AdamW(
        groups,
        lr=schedule.lr,
        betas=schedule.betas,
        eps=1e-8,
        weight_decay=schedule.weight_decay,
        fused=on_gpu or None,
    )


def curve(schedule: Schedule, steps: int) -> Callable[[int], float]:
    """The share of the full rate at step 0, 1, … of so many."""
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
