"""One stage on this process, from its parts to its finished folder."""

from __future__ import annotations

from pathlib import Path

from vlmbench.checkpoints.aside import written_aside

from .begin import Start, begin
from .checkpoints import TRAINED, check, place, step_of, whole
from .computing import Computing, computing
from .door import base_of
from .drawn import with_files
from .feeding import feed
from .job import Job
from .loop import Loop, steps_of
from .output import write
from .parts import build
from .waiting import wait_for


def run(job: Job) -> Path:
    """Train what is not trained yet, and finish it."""
    if job.finished.is_dir():
        return job.finished
    how = computing(job.recipe.parallelism)
    job.work_dir.mkdir(parents=True, exist_ok=True)
    start = begin(job.recipe, job.work_dir)
    step = _trained(job, start, how)
    if how.first:
        with written_aside(job.finished) as aside:
            write(
                start.llava, job.recipe, place(job.work_dir, step) / TRAINED, aside, base=base_of(job.recipe)
            )
    wait_for(job.finished)
    return job.finished


def _trained(job: Job, start: Start, how: Computing) -> int:
    """Every step; says which was the last."""
    recipe = with_files(job.recipe, leader=how.first, home=job.home)
    made = feed(recipe, start, how, job.work_dir, job.home)
    steps = steps_of(recipe, made.micro_batches)
    resume = _resumed(job, how)
    if resume is not None and step_of(resume) >= steps.all:
        return step_of(resume)
    built = build(start.llava, recipe, how)
    loop = Loop(built.model, job, how, made, steps)
    loop.train(resume_from_checkpoint=None if resume is None else str(resume))
    return int(loop.state.global_step)


def _resumed(job: Job, how: Computing) -> Path | None:
    """The checkpoint to go on from, once it fits."""
    if job.resume is None:
        return None
    found = whole(job.work_dir)
    folder = (found[-1] if found else None) if job.resume == "latest" else Path(job.resume)
    if folder is not None:
        check(folder, job.recipe, how)
    return folder
