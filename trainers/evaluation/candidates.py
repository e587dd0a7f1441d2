"""A checkpoint becomes a candidate: its weights are kept at once, and made a model by another process.

Other ranks wait while the first keeps them, so that takes a link and no copy. And no thread of the training's
own process may write the model: that draws from torch's random numbers, on which the training counts.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from vlmbench.trainers.evaluation.nouns import Candidate
from vlmbench.trainers.recipe.model import Recipe

_ASIDE = ".unfinished"


def keep(found: Candidate, checkpoint: Path) -> None:
    """What the checkpoint learned, also once the checkpoint is gone."""
    from vlmbench.trainers.training.checkpoints import TRAINED

    aside = found.trained.with_name(f".{found.trained.name}{_ASIDE}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        os.link(checkpoint / TRAINED, aside / TRAINED)
    except OSError:
        shutil.copyfile(checkpoint / TRAINED, aside / TRAINED)
    aside.rename(found.trained)


def make(found: Candidate, recipe: Recipe) -> Path:
    """The candidate as a model; what was kept for that is let go."""
    from vlmbench.trainers.training import export

    if not found.model.is_dir():
        export(recipe, found.trained, found.model, work_dir=found.work_dir)
    shutil.rmtree(found.trained, ignore_errors=True)
    return found.model
