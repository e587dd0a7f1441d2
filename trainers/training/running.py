"""One stage on this process, from its parts to its finished folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmbench.errors import UserError
from vlmbench.files.atomic import written_aside
from vlmbench.trainers.deepspeed_file import agree
from vlmbench.trainers.fingerprints import contents, identity
from vlmbench.trainers.plan.notes import cheap_notes
from vlmbench.trainers.training.dataloader import feed
from vlmbench.trainers.training.discard import drop_after
from vlmbench.trainers.training.observers import looking
from vlmbench.trainers.training.run import base_of
from vlmbench.trainers.training.start import before, begin
from vlmbench.trainers.training.zero3_loading import scatters

from . import card
from .arguments import arguments
from .checkpoints import TRAINED, Given, check, check_given, place, step_of, whole
from .computing import computing
from .job import Job
from .loop import Loop
from .metrics import readings
from .output import write
from .parts import Built, build
from .sources import with_files
from .stage import Stage
from .waiting import wait_for


def run(job: Job) -> Path:
    """Train what is not trained yet, and finish it."""
    if job.finished.is_dir():
        card.check_finished(job.finished, job.recipe)
        return job.finished
    how = computing(job.recipe.parallelism)
    agree(job.recipe, how.world)
    resume = _resumed(job)
    changed = () if resume is None else check(resume, job.recipe, how)
    job.work_dir.mkdir(parents=True, exist_ok=True)
    named = with_files(job.recipe, leader=how.first, home=job.home)
    given = Given(data=contents(named.data.sources), before=_left(job), changed=changed)
    if resume is not None:
        check_given(resume, given)
    start = begin(job.recipe, job.work_dir)
    made = feed(named, start, how, job.work_dir, job.home)
    stage = Stage(job=job, how=how, start=start, feed=made, given=given)
    step, notes = _trained(stage, resume)
    if how.first:
        _finish(stage, step, notes)
    wait_for(job.finished)
    return job.finished


def _trained(stage: Stage, resume: Path | None) -> tuple[int, tuple[str, ...]]:
    """Every step that is left; says which was the last, and what a reader should know of the model."""
    settings, built = _built(stage)
    done = 0 if resume is None else step_of(resume)
    notes = (*built.notes, *stage.given.changed)
    if done >= stage.steps.all:
        return done, notes
    dropped = drop_after(stage.job.work_dir, done) if stage.how.first else None
    seen = looking(stage, done)
    seen.watch.begin(stage.recipe.name, stage.steps.all, done)
    if dropped is not None:
        seen.watch.say(dropped)
    for told in (*cheap_notes(stage.recipe, stage.how.world), *stage.feed.notes, *notes):
        seen.watch.say(told)
    try:
        loop = Loop(built.model, settings, stage, seen)
        loop.train(resume_from_checkpoint=None if resume is None else str(resume))
    finally:
        seen.end()
    return int(loop.state.global_step), notes


def _built(stage: Stage) -> tuple[Any, Built]:
    """The Trainer's settings, and the model."""
    llava, recipe, how = stage.start.llava, stage.recipe, stage.how
    if scatters(llava, recipe):
        # First: a model that is cut up as it is made has to know among whom.
        settings = arguments(stage)
        return settings, build(llava, recipe, how)
    built = build(llava, recipe, how)
    return arguments(stage), built


def _finish(stage: Stage, step: int, notes: tuple[str, ...]) -> None:
    job, llava = stage.job, stage.start.llava
    told = readings(job.work_dir)
    facts = card.facts(job.recipe, stage.how, stage.feed.specs, told, job.home, notes, stage.given)
    file = place(job.work_dir, step) / TRAINED
    with written_aside(job.finished) as aside:
        write(llava, job.recipe, file, aside, base=base_of(job.recipe))
        card.write(aside, job.recipe, facts, told)


def _left(job: Job) -> str | None:
    """What the stage before left, by content: both may be moved."""
    named = job.recipe.pretrained
    return None if named is None else identity(before(named, job.work_dir))


def _resumed(job: Job) -> Path | None:
    """The checkpoint to go on from."""
    found = whole(job.work_dir)
    if job.resume is None:
        if found:
            raise UserError(
                f"there are checkpoints of a run here, up to step {step_of(found[-1])}.",
                file=job.work_dir,
                fix="--resume goes on from the last; another --work-dir begins anew.",
            )
        return None
    return (found[-1] if found else None) if job.resume == "latest" else Path(job.resume)
