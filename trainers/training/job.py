"""What a training needs besides its recipe, what it reports, and where a stage leaves its model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmbench.trainers.recipe.model import Recipe

MODEL, RUNS, CANDIDATES = "model", "runs", "candidates"
"""In the work folder: the finished model, evaluations by checkpoint and benchmark, checkpoints as models."""

Tracker = Literal["wandb", "mlflow", "tensorboard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint that has just been written, whole."""

    folder: Path
    step: int
    epoch: float
    last: bool
    """No optimizer step follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """One stage to train."""

    recipe: Recipe
    work_dir: Path
    resume: Path | Literal["latest"] | None = None
    """A checkpoint to resume from; `latest`: the newest whole one, if there is any."""
    home: Path | None = None
    """Where tokenised sets are kept; None: VLMBENCH_HOME."""
    tracker: Tracker | None = None
    on_checkpoint: Callable[[Saved], None] | None = None
    """Called on rank 0 only, while the other ranks wait for its next batch: keep it short."""

    @property
    def finished(self) -> Path:
        """Where the finished model goes."""
        return self.work_dir / MODEL


def left_by(named: str, work_dir: Path) -> Path | None:
    """What the stage before left: a file or folder in a layout that vlmbench reads, or a work folder's model.

    A bare name is a recipe, whose work folder is beside this one. None where nothing is there.
    """
    from vlmbench.checkpoints.formats.layout import guess

    path = Path(named).expanduser()
    found = path if path.exists() else work_dir.parent / named
    if (found / MODEL).is_dir():
        return found / MODEL
    return found if found.is_file() or (found.is_dir() and guess(found) is not None) else None
