"""Batches, steps and checkpoint names, as training counts them, and notes on these figures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from vlmbench.trainers.recipe.model import Recipe, Saving, Schedule


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One stage in numbers."""

    samples: int
    """In an epoch."""
    rows: int | None
    """What they are packed into, about; None where each has a row of its own."""
    global_batch: int
    micro_batches: int
    """In an epoch, on each device; the last is filled up with samples seen before."""
    steps: int
    """Optimizer steps in an epoch."""
    all_micro_batches: int
    all_steps: int
    warmup_steps: int
    save_every: int
    """Optimizer steps."""

    @property
    def checkpoint(self) -> str:
        """The last checkpoint's folder."""
        return f"checkpoint-{self.all_steps}"

    @property
    def published_checkpoint(self) -> str:
        """The same under the published counting, which counts micro-batches."""
        return f"iter_{self.all_micro_batches}"


def counts(recipe: Recipe, samples: int, devices: int, *, rows: int | None = None) -> Counts:
    """The numbers of a stage on so many devices."""
    schedule = recipe.schedule
    micro = ceil((samples if rows is None else rows) / (schedule.batch * devices))
    steps = ceil(micro / schedule.accumulation)
    all_steps = steps * schedule.epochs
    if schedule.max_steps is not None:
        all_steps = min(all_steps, schedule.max_steps)
    whole = all_steps == steps * schedule.epochs
    return Counts(
        samples=samples,
        rows=rows,
        global_batch=schedule.batch * schedule.accumulation * devices,
        micro_batches=micro,
        steps=steps,
        all_micro_batches=micro * schedule.epochs if whole else all_steps * schedule.accumulation,
        all_steps=all_steps,
        warmup_steps=warmup_steps(schedule, all_steps),
        save_every=save_every(recipe.saving, schedule, steps),
    )


def warmup_steps(schedule: Schedule, all_steps: int) -> int:
    """One at least where a warm-up is wanted, and always fewer than there are steps."""
    if schedule.warmup <= 0 or all_steps < 2:
        return 0
    return min(max(1, int(schedule.warmup * all_steps)), all_steps - 1)


def save_every(saving: Saving, schedule: Schedule, steps: int) -> int:
    """Optimizer steps between two checkpoints."""
    if saving.unit == "epoch":
        return saving.every * steps
    if saving.unit == "step":
        return saving.every
    return max(1, saving.every // schedule.accumulation)


def recipe_notes(recipe: Recipe, devices: int, micro_batches: int) -> tuple[str, ...]:
    """What else the recipe's values were meant for, and the corrections that show in this run."""
    shown = (one for one in recipe.mended if one.below is None or micro_batches < one.below)
    return (
        *_batch(recipe, devices),
        *(f"corrected: {one.key} ({one.published}): {one.why}" for one in shown),
    )


def _batch(recipe: Recipe, devices: int) -> Iterator[str]:
    schedule = recipe.schedule
    found = schedule.batch * schedule.accumulation * devices
    meant = schedule.batch * schedule.accumulation * recipe.parallelism.processes
    if found != meant:
        each = max(1, round(meant / (schedule.batch * devices)))
        same = f"; --set schedule.accumulation={each}" if each * schedule.batch * devices == meant else ""
        yield f"global batch {found}, meant for {meant}{same}"
