"""What a reader should know of a recipe's figures, before it is trained and when it begins."""

from __future__ import annotations

from collections.abc import Iterator

from vlmbench.trainers.recipe.model import Recipe


def cheap_notes(recipe: Recipe, devices: int) -> tuple[str, ...]:
    """Those that need nothing but the recipe: what else its values were meant for, and what was mended."""
    return (*_batch(recipe, devices), *(f"mended: {m.key} ({m.published}): {m.why}" for m in recipe.mended))


def _batch(recipe: Recipe, devices: int) -> Iterator[str]:
    schedule = recipe.schedule
    found = schedule.batch * schedule.accumulation * devices
    meant = schedule.batch * schedule.accumulation * recipe.parallelism.processes
    if found != meant:
        each = max(1, round(meant / (schedule.batch * devices)))
        same = f"; --set schedule.accumulation={each}" if each * schedule.batch * devices == meant else ""
        yield f"global batch {found}, meant for {meant}{same}"
