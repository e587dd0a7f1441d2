"""One stage on this rank, from its parts to its finished folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmbench.errors import UserError
from vlmbench.files.atomic import new_folder
from vlmbench.model_files.threads import choose_threads
from vlmbench.terminal.screen import doing
from vlmbench.trainers.devices import check_deepspeed_file, rank_settings
from vlmbench.trainers.fingerprints import contents, identity
from vlmbench.trainers.plan.steps import recipe_notes
from vlmbench.trainers.recipe.model import Recipe

from . import card
from .checkpoints import TRAINED, RunInputs, check, check_given, discard_after, place, step_of, whole
from .dataloader import make_feed, with_files
from .handoff import wait_for_file
from .job import TrainingJob
from .loading import can_load_sharded
from .loop import Loop
from .metrics import read_metrics
from .observers import observers_of
from .output import write_model
from .parts import Built, build
from .stage import StageSetup, trainer_settings
from .start import model_before, read_start


def run(job: TrainingJob) -> Path:
    """Train what is not trained yet, and write the finished folder."""
    if job.finished.is_dir():
        card.check_finished(job.finished, job.recipe)
        return job.finished
    how = rank_settings(job.recipe.parallelism)
    check_deepspeed_file(job.recipe, how.world)
    resume = _resumed(job)
    changed = () if resume is None else check(resume, job.recipe, how)
    job.work_dir.mkdir(parents=True, exist_ok=True)
    named = with_files(job.recipe, leader=how.first, home=job.home)
    given = RunInputs(data=contents(named.data.sources), before=_identity_before(job), changed=changed)
    if resume is not None:
        check_given(resume, given)
    with doing(f"reading the models that {job.recipe.name} starts from"):
        start = read_start(job.recipe, job.work_dir)
    with doing(f"reading the data of {job.recipe.name}"):
        feed = make_feed(named, start, how, job.work_dir, job.home)
    stage = StageSetup(job=job, how=how, start=start, feed=feed, given=given)
    step, notes = _trained(stage, resume)
    if how.first:
        _finish(stage, step, notes)
    wait_for_file(job.finished)
    return job.finished


def export_checkpoint(recipe: Recipe, checkpoint: Path, folder: Path, work_dir: Path) -> None:
    """Write the model of a checkpoint into a new folder."""
    file = checkpoint / TRAINED
    if not file.is_file():
        raise UserError("this is not a checkpoint of vlmbench.", file=checkpoint, fix="Check the path.")
    start = read_start(recipe, work_dir.absolute())
    with new_folder(folder) as aside:
        write_model(start.llava, recipe, file, aside)


def _trained(stage: StageSetup, resume: Path | None) -> tuple[int, tuple[str, ...]]:
    """Take every step that is left; the last step, and what a reader should know of the model."""
    with doing(f"loading the model of {stage.recipe.name} on {'cpu' if stage.how.cpu else 'cuda'}"):
        settings, built = _built(stage)
    done = 0 if resume is None else step_of(resume)
    notes = (*built.notes, *stage.given.changed)
    if done >= stage.steps.all:
        return done, notes
    dropped = discard_after(stage.job.work_dir, done) if stage.how.first else None
    observers = observers_of(stage, done)
    observers.progress.begin(stage.recipe.name, stage.steps.all, done)
    if dropped is not None:
        observers.progress.say(dropped)
    micro_batches = stage.feed.micro_batches * stage.recipe.schedule.epochs
    corrected = recipe_notes(stage.recipe, stage.how.world, micro_batches)
    for note in (*corrected, *stage.feed.notes, *notes):
        observers.progress.say(note)
    if threads := choose_threads("cpu" if stage.how.cpu else "", built.model.config):
        observers.progress.say(str(threads))
    try:
        loop = Loop(built.model, settings, stage, observers)
        loop.train(resume_from_checkpoint=None if resume is None else str(resume))
    finally:
        observers.end()
        stage.feed.loader.end()
    return int(loop.state.global_step), notes


def _built(stage: StageSetup) -> tuple[Any, Built]:
    """The Trainer's settings, and the model."""
    llava, recipe, how = stage.start.llava, stage.recipe, stage.how
    if can_load_sharded(llava, recipe):
        # First: they create the process group over which ZeRO-3 shards the model as it is made.
        settings = trainer_settings(stage)
        return settings, build(llava, recipe, how)
    built = build(llava, recipe, how)
    return trainer_settings(stage), built


def _finish(stage: StageSetup, step: int, notes: tuple[str, ...]) -> None:
    job, llava = stage.job, stage.start.llava
    metrics = read_metrics(job.work_dir)
    facts = card.facts(job.recipe, stage.how, stage.feed.specs, metrics, job.home, notes, stage.given)
    file = place(job.work_dir, step) / TRAINED
    with new_folder(job.finished) as aside:
        write_model(llava, job.recipe, file, aside)
        card.write(aside, job.recipe, facts, metrics)


def _identity_before(job: TrainingJob) -> str | None:
    """The digest of the model that the stage before left, which may be moved."""
    named = job.recipe.pretrained
    return None if named is None else identity(model_before(named, job.work_dir))


def _resumed(job: TrainingJob) -> Path | None:
    """The checkpoint to resume from."""
    found = whole(job.work_dir)
    if job.resume is None:
        if found:
            raise UserError(
                f"there are checkpoints of a run here, up to step {step_of(found[-1])}.",
                file=job.work_dir,
                fix="--resume continues from the last; another --work-dir starts anew.",
            )
        return None
    return (found[-1] if found else None) if job.resume == "latest" else Path(job.resume)
