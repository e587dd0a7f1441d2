"""From a recipe to a finished folder."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from vlmbench.errors import UserError
from vlmbench.files.atomic import written_aside
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.job import Job, Saved, Tracker


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

    To be called on every process of the run. A finished stage is not trained again: its folder is returned.
    """
    job = Job(
        recipe=recipe,
        work_dir=work_dir.expanduser().absolute(),
        resume=resume,
        home=home,
        tracker=tracker,
        on_checkpoint=on_checkpoint,
    )
    # It complains of kernels that it can do without, in every process, as soon as it is imported.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    from vlmbench.trainers.training.running import run

    return run(job)


def export(recipe: Recipe, checkpoint: Path, folder: Path, *, work_dir: Path | None = None) -> Path:
    """The model of a checkpoint, finished, in a new folder."""
    from vlmbench.trainers.training.checkpoints import TRAINED
    from vlmbench.trainers.training.output import write
    from vlmbench.trainers.training.start import begin

    file = checkpoint / TRAINED
    if not file.is_file():
        raise UserError("this is no checkpoint of vlmbench's.", file=checkpoint, fix="Check the path.")
    start = begin(recipe, (work_dir or checkpoint.parent).absolute())
    with written_aside(folder) as aside:
        write(start.llava, recipe, file, aside, base=base_of(recipe))
    return folder


def base_of(recipe: Recipe) -> str | None:
    """What an adapter of this recipe has to be put on."""
    model: Any = recipe.model
    named = recipe.pretrained or model.start or model.language.path
    return None if named is None else str(named)
