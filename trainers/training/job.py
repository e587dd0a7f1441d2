"""What is asked of a training besides its recipe, and what is told on its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmbench.trainers.recipe.model import Recipe

MODEL = "model"
"""The finished folder, inside the work folder."""

Tracker = Literal["wandb", "mlflow"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint that has just been written, whole."""

    folder: Path
    step: int
    epoch: float
    last: bool
    """No optimizer step follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One stage to be trained."""

    recipe: Recipe
    work_dir: Path
    resume: Path | Literal["latest"] | None = None
    """A checkpoint to go on from; `latest`: the newest whole one, if there is any."""
    home: Path | None = None
    """Where tokenised sets are kept; None: as everywhere."""
    tracker: Tracker | None = None
    on_checkpoint: Callable[[Saved], None] | None = None
    """Called on the first process alone, while the others wait for its next batch: keep it short."""

    @property
    def finished(self) -> Path:
        """Where the finished model goes."""
        return self.work_dir / MODEL
