"""One stage on this rank before its model is loaded: data, devices, steps, and the Trainer's settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from transformers import TrainingArguments

from vlmbench.trainers.devices import RankSettings
from vlmbench.trainers.plan.steps import save_every
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.checkpoints import RunInputs
from vlmbench.trainers.training.dataloader import Feed
from vlmbench.trainers.training.job import TrainingJob
from vlmbench.trainers.training.start import Start


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How far a run goes, in optimizer steps."""

    epoch: int
    """In one."""
    all: int
    save: int
    log: int


def steps_of(recipe: Recipe, micro_batches: int) -> Steps:
    """Steps of a stage whose loader has so many batches in an epoch."""
    schedule, saving = recipe.schedule, recipe.saving
    epoch = math.ceil(micro_batches / schedule.accumulation)
    every = saving.log_every // schedule.accumulation if saving.unit == "micro-batch" else saving.log_every
    whole = epoch * schedule.epochs
    return Steps(
        epoch=epoch,
        all=whole if schedule.max_steps is None else min(whole, schedule.max_steps),
        save=save_every(saving, schedule, epoch),
        log=max(1, every),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSetup:
    """Everything that the loop needs besides the model."""

    job: TrainingJob
    how: RankSettings
    start: Start
    feed: Feed
    given: RunInputs = field(default_factory=RunInputs)

    @property
    def recipe(self) -> Recipe:
        """The recipe of the job."""
        return self.job.recipe

    @property
    def steps(self) -> Steps:
        """Until the end of the stage."""
        return steps_of(self.recipe, self.feed.micro_batches)


def trainer_settings(stage: StageSetup) -> Any:
    """The recipe as Trainer's arguments; making them creates the process group."""
    recipe, how, steps, schedule = stage.recipe, stage.how, stage.steps, stage.recipe.schedule
    made: Any = TrainingArguments(
        output_dir=str(stage.job.work_dir),
        per_device_train_batch_size=schedule.batch,
        gradient_accumulation_steps=schedule.accumulation,
        num_train_epochs=schedule.epochs,
        max_steps=steps.all,
        learning_rate=schedule.lr,
        max_grad_norm=schedule.clip,
        weight_decay=schedule.weight_decay,
        bf16=how.precision == "bf16",
        fp16=how.precision == "fp16",
        use_cpu=how.cpu,
        ddp_backend="gloo" if how.cpu and how.world > 1 else None,
        # DDP ignores frozen parameters, and every batch has a picture: none is unused.
        ddp_find_unused_parameters=False if how.world > 1 else None,
        deepspeed=how.deepspeed,
        seed=recipe.seed,
        data_seed=recipe.seed,
        save_strategy="steps",
        save_steps=steps.save,
        logging_steps=steps.log,
        logging_strategy="steps",
        logging_nan_inf_filter=False,
        # TensorBoard's files are written with metrics.jsonl.
        report_to=[] if stage.job.tracker in (None, "tensorboard") else [stage.job.tracker],
        run_name=recipe.name,
        disable_tqdm=True,
        remove_unused_columns=False,
        gradient_checkpointing=False,
        log_level="error",
        log_level_replica="error",
    )
    # Otherwise a single process splits each batch over all visible GPUs, by nn.DataParallel.
    made._n_gpu = min(made.n_gpu, 1)
    return made
