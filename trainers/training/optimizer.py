"""What AdamW steps on: one group a part and a learning rate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    """AdamW over the parts that learn, each group under its part's name."""
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
