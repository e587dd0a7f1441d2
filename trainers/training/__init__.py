"""Training a recipe: a model of its parts, a loop, checkpoints that can be gone on from, a finished folder.

    train(recipe, work_dir=…)        -> the finished folder, a `--model` here and a valid Hugging Face folder
    export(recipe, checkpoint, dst)  -> the same of a checkpoint on the way

Called on every process of a distributed run; `launch` starts those.
"""

from __future__ import annotations

from vlmbench.trainers.training.run import export, train

from .job import Job, Saved

__all__ = ["Job", "Saved", "export", "train"]
