"""One stage on this process, from its parts to its finished folder."""

from __future__ import annotations

from pathlib import Path

from vlmbench.checkpoints.aside import written_aside
from vlmbench.errors import UserError

from . import card
from .begin import Start, begin
from .checkpoints import TRAINED, check, place, step_of, whole
from .computing import Computing, computing
from .door import base_of
from .feeding import Feed, feed
from .job import Job
from .loop import Looking, Loop, steps_of
from .metrics import Metrics, readings
from .output import write
from .parts import build
from .sources import with_files
from .talk import Talk
from .waiting import wait_for
from .watching import Watch, watch


def run(job: Job) -> Path:
    """Train what is not trained yet, and finish it."""
    if job.finished.is_dir():
        card.check_finished(job.finished, job.recipe)
        return job.finished
    how = computing(job.recipe.parallelism)
    resume = _resumed(job, how)
    job.work_dir.mkdir(parents=True, exist_ok=True)
    start = begin(job.recipe, job.work_dir)
    named = with_files(job.recipe, leader=how.first, home=job.home)
    made = feed(named, start, how, job.work_dir, job.home)
    step, notes = _trained(job, start, how, made, resume)
    if how.first:
        _finish(job, start, how, made, step, notes)
    wait_for(job.finished)
    return job.finished


def _trained(
    job: Job, start: Start, how: Computing, made: Feed, resume: Path | None
) -> tuple[int, tuple[str, ...]]:
    """Every step that is left; says which was the last, and what a reader should know of the model."""
    steps = steps_of(job.recipe, made.micro_batches)
    built = build(start.llava, job.recipe, how)
    done = 0 if resume is None else step_of(resume)
    if done >= steps.all:
        return done, built.notes
    looking = _looking(job, start, how, made, done)
    looking.watch.begin(job.recipe.name, steps.all, done)
    for told in built.notes:
        looking.watch.say(told)
    try:
        loop = Loop(built.model, job, how, made, steps, looking)
        loop.train(resume_from_checkpoint=None if resume is None else str(resume))
    finally:
        looking.watch.end()
        looking.metrics.close()
    return int(loop.state.global_step), built.notes


def _looking(job: Job, start: Start, how: Computing, made: Feed, done: int) -> Looking:
    seen: Watch = watch(first=how.first)
    talk = Talk(job.recipe, start, made.pictures, made.features) if job.recipe.saving.sample else None
    return Looking(metrics=Metrics(job.work_dir, done, writes=how.first), watch=seen, talk=talk)


def _finish(job: Job, start: Start, how: Computing, made: Feed, step: int, notes: tuple[str, ...]) -> None:
    told = readings(job.work_dir)
    facts = card.facts(job.recipe, how, made.specs, told, job.home, notes)
    file = place(job.work_dir, step) / TRAINED
    with written_aside(job.finished) as aside:
        write(start.llava, job.recipe, file, aside, base=base_of(job.recipe))
        card.write(aside, job.recipe, facts, told)


def _resumed(job: Job, how: Computing) -> Path | None:
    """The checkpoint to go on from, once it fits."""
    found = whole(job.work_dir)
    if job.resume is None:
        if found:
            raise UserError(
                f"there are checkpoints of a run here, up to step {step_of(found[-1])}.",
                file=job.work_dir,
                fix="--resume goes on from the last; another --work-dir begins anew.",
            )
        return None
    folder = (found[-1] if found else None) if job.resume == "latest" else Path(job.resume)
    if folder is not None:
        check(folder, job.recipe, how)
    return folder
