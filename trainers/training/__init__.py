"""Training a recipe: a model of its parts, a loop, checkpoints to resume from, a finished folder.

    train(recipe, work_dir=…)        -> the finished folder: a `--model` here and a valid Hugging Face folder
    export(recipe, checkpoint, dst)  -> the same from a checkpoint

Every rank of a distributed run calls `train`; `launch` starts the ranks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from vlmbench.terminal.screen import doing
from vlmbench.trainers.recipe.model import Recipe

from .job import Saved, Tracker, TrainingJob

__all__ = ["Saved", "Tracker", "TrainingJob", "export", "train"]


def train(
    recipe: Recipe,
    *,
    work_dir: Path,
    resume: Path | Literal["latest"] | None = None,
    home: Path | None = None,
    tracker: Tracker | None = None,
    on_checkpoint: Callable[[Saved], None] | None = None,
) -> Path:
    """Train one stage; returns the folder of the finished model.

    Every rank calls it. A finished stage is not trained again: its folder is returned.
    """
    job = TrainingJob(
        recipe=recipe,
        work_dir=work_dir.expanduser().absolute(),
        resume=resume,
        home=home,
        tracker=tracker,
        on_checkpoint=on_checkpoint,
    )
    # Its import warns in every process about kernels that it can do without.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    with doing(f"preparing the training of {recipe.name}"):
        from .run import run
    return run(job)


def export(recipe: Recipe, checkpoint: Path, folder: Path, *, work_dir: Path | None = None) -> Path:
    """The model of a checkpoint, finished, in a new folder."""
    from .run import export_checkpoint

    export_checkpoint(recipe, checkpoint, folder, work_dir or checkpoint.parent)
    return folder
