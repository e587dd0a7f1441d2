"""One stage on this process before its model is loaded: what is to be done, with what, how far."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from vlmbench.trainers.plan.steps import save_every
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.dataloader import Feed
from vlmbench.trainers.training.start import Start

from .checkpoints import Given
from .computing import Computing
from .job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How far a run goes, in optimizer steps."""

    epoch: int
    """In one."""
    all: int
    save: int
    log: int


def steps_of(recipe: Recipe, micro_batches: int) -> Steps:
    """From the length of the loader."""
    schedule, saving = recipe.schedule, recipe.saving
    epoch = math.ceil(micro_batches / schedule.accumulation)
    every = saving.log_every // schedule.accumulation if saving.unit == "micro-batch" else saving.log_every
    whole = epoch * schedule.epochs
    return Steps(
        epoch=epoch,
        all=whole if schedule.max_steps is None else min(whole, schedule.max_steps),
        save=save_every(saving, schedule, epoch),
        log=max(1, every),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Everything that the loop needs besides the model."""

    job: Job
    how: Computing
    start: Start
    feed: Feed
    given: Given = field(default_factory=Given)

    @property
    def recipe(self) -> Recipe:
        """What is to be learned."""
        return self.job.recipe

    @property
    def steps(self) -> Steps:
        """How far it goes."""
        return steps_of(self.recipe, self.feed.micro_batches)
