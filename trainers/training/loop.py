"""Hugging Face's Trainer, with the recipe's order, optimizer, curve and checkpoints."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from vlmbench.plain_text import visible

from ..counting import save_every
from ..data.collate import to_model
from ..recipe import Recipe
from ..zero import zero_of
from . import checkpoints, weights
from .computing import Computing
from .feeding import FAILED, Feed
from .groups import optimizer
from .guard import Elsewhere, Guard
from .job import Job, Saved
from .metrics import Metrics, Pace, Reading
from .schedule import curve
from .talk import QUESTIONS, Talk, note
from .watching import Watch

_SHOWN = 200
"""Characters of an answer in a sample conversation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """How far a run goes, in optimizer steps."""

    epoch: int
    """In one."""
    all: int
    save: int
    log: int


def steps_of(recipe: Recipe, micro_batches: int) -> Steps:
    """From the length of the loader."""
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


def arguments(job: Job, how: Computing, steps: Steps) -> Any:
    """The Trainer's settings."""
    recipe, schedule = job.recipe, job.recipe.schedule
    return TrainingArguments(
        output_dir=str(job.work_dir),
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
        # Parameters without gradients are out of DDP's sight, and every batch shows a picture.
        ddp_find_unused_parameters=False if how.world > 1 else None,
        deepspeed=how.deepspeed,
        seed=recipe.seed,
        data_seed=recipe.seed,
        save_strategy="steps",
        save_steps=steps.save,
        logging_steps=steps.log,
        logging_strategy="steps",
        logging_nan_inf_filter=False,
        report_to=[] if job.tracker is None else [job.tracker],
        run_name=recipe.name,
        disable_tqdm=True,
        remove_unused_columns=False,
        gradient_checkpointing=False,
        log_level="error",
        log_level_replica="error",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """Where the run is seen."""

    metrics: Metrics
    watch: Watch
    talk: Talk | None


class _Steps(TrainerCallback):
    """Tells each step to the watch."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One more."""
        self._watch.step(state.global_step)
        # The last reading is told, wherever it falls.
        control.should_log = control.should_log or state.global_step >= state.max_steps


class Loop(Trainer):
    """One stage on this rank."""

    def __init__(
        self, model: Any, job: Job, how: Computing, feed: Feed, steps: Steps, looking: Looking
    ) -> None:
        self._job, self._how, self._feed, self._steps, self._looking = job, how, feed, steps, looking
        self._guard = Guard()
        self._pace = Pace(how.world, cpu=how.cpu)
        self._losses: list[torch.Tensor] = []
        self._records: list[str] = []
        self._skipped = 0
        super().__init__(
            model=model,
            args=arguments(job, how, steps),
            train_dataset=feed.dataset,
            callbacks=[_Steps(looking.watch)],
        )
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> Any:
        """Dealt to the ranks already."""
        return self._feed.loader

    def create_optimizer(self, model: Any = None) -> Any:
        """By part."""
        if self.optimizer is None:
            schedule = self._job.recipe.schedule
            self.optimizer = optimizer(self.model, schedule, on_gpu=not self._how.cpu)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The recipe's curve over all steps, whatever was done before."""
        if self.lr_scheduler is None:
            share = curve(self._job.recipe.schedule, self._steps.all)
            stepped: Any = self.optimizer if optimizer is None else optimizer
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(stepped, share)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """Forward and back; the batch's names are kept until the step is taken."""
        records = inputs.pop("record_ids")
        self._records += records
        self._skipped += len(inputs.pop("skipped"))
        self._pace.add(len(records), int((inputs["input_ids"] != self._feed.pad).sum()))
        loss = super().training_step(model, to_model(inputs), num_items_in_batch)
        self._losses.append(loss)
        return loss

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """A step's batches; what a loading process could not do is raised here."""
        self._records, self._losses = [], []
        return super().get_batch_samples(epoch_iterator, num_batches, device)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: Any) -> Any:
        """How many tokens are learned from, over all processes; they stop together where one has no batch."""
        failed = next((batch[FAILED] for batch in batch_samples if FAILED in batch), None)
        learned = -1 if failed else sum(int((b["labels"][..., 1:] != -100).sum()) for b in batch_samples)
        each = self.accelerator.gather(torch.tensor([learned], device=device))
        if failed is not None:
            raise failed
        if bool((each < 0).any()):
            raise Elsewhere
        return each.sum()

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """The last word before the step is taken."""
        trainer: Any = super()
        norm = trainer._get_grad_norm(model, grad_norm)
        known = None if norm is None or self.accelerator.scaler is not None else float(norm)
        # Under DeepSpeed the norm is of the step before.
        known = None if self.is_deepspeed_enabled else known
        # Each is its share of the global batch's mean.
        own = torch.stack(self._losses).float().sum().reshape(1)
        every = self.accelerator.gather(own).tolist()
        self._guard.check(self.state.global_step + 1, float(own), every, known, self._records)
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Into the file, the board and before the eyes of whoever watches."""
        super().log(logs, start_time)
        if "loss" not in logs or not self._how.first:
            return
        reading = Reading(
            step=self.state.global_step,
            epoch=float(self.state.epoch or 0),
            loss=logs["loss"],
            grad_norm=logs.get("grad_norm"),
            learning_rate=self._rates(),
            skipped=self._skipped,
            **self._pace.take(),
        )
        self._looking.metrics.add(reading)
        self._looking.watch.read(reading)

    def _rates(self) -> dict[str, float]:
        """Of the step that was taken last: the curve stands at the next one already."""
        share = curve(self._job.recipe.schedule, self._steps.all)(max(self.state.global_step - 1, 0))
        groups: Any = self.optimizer
        return {group["name"]: group["initial_lr"] * share for group in groups.param_groups}

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Written aside by all ranks, renamed by the first."""
        step, work_dir = self.state.global_step, self._job.work_dir
        if self._how.first:
            checkpoints.open_aside(work_dir, step)
        self.accelerator.wait_for_everyone()
        self._write(checkpoints.aside(work_dir, step))
        self.accelerator.wait_for_everyone()
        if self._how.first:
            facts = checkpoints.facts_of(self._job.recipe, self._how, step)
            folder = checkpoints.settle(work_dir, step, facts, self._job.recipe.saving.keep)
            self._tell(folder, step)
        self._talk(step)
        self.accelerator.wait_for_everyone()

    def _write(self, folder: Path) -> None:
        tensors = weights.gathered(self.model, deepspeed=self.is_deepspeed_enabled)
        if self._how.first:
            weights.save(tensors, folder / checkpoints.TRAINED)
        if self.is_deepspeed_enabled:
            engine: Any = self.model_wrapped
            engine.save_checkpoint(str(folder), exclude_frozen_parameters=True)
            if self._how.first:
                torch.save(self._curve().state_dict(), folder / "scheduler.pt")
        else:
            self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        if self._how.first:
            self.state.save_to_json(str(folder / "trainer_state.json"))

    def _talk(self, step: int) -> None:
        """Under ZeRO-3 every process holds a piece of the model, and all have to ask."""
        together = zero_of(self._job.recipe.parallelism.deepspeed).stage == 3
        if self._looking.talk is None or not (together or self._how.first):
            return
        answers = self._looking.talk.ask(self.model, self.accelerator.autocast)
        if self._how.first:
            note(self._job.work_dir, step, answers)
            for question, answer in zip(QUESTIONS, answers, strict=True):
                # What a model says may hold anything, a terminal's own commands among it.
                self._looking.watch.say(f"  {question}  {visible(answer, _SHOWN)}")

    def _tell(self, folder: Path, step: int) -> None:
        if self._job.on_checkpoint is not None:
            last = step >= self._steps.all
            self._job.on_checkpoint(
                Saved(folder=folder, step=step, epoch=float(self.state.epoch or 0), last=last)
            )

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        weights.load(self.model, Path(resume_from_checkpoint) / checkpoints.TRAINED)

    def _prepare_for_training(
        self, max_steps: int, train_dataloader: Any, resume_from_checkpoint: Any
    ) -> Any:
        """As ever; then what the checkpoint holds, where only what is trained is in it."""
        trainer: Any = super()
        prepared = trainer._prepare_for_training(max_steps, train_dataloader, None)
        if resume_from_checkpoint is not None:
            if self.is_deepspeed_enabled:
                self._load_deepspeed(Path(resume_from_checkpoint))
            else:
                self._load_optimizer_and_scheduler(resume_from_checkpoint)
            self._load_scaler(resume_from_checkpoint)
        return prepared

    def _load_deepspeed(self, folder: Path) -> None:
        engine: Any = self.model_wrapped
        engine.load_checkpoint(str(folder), load_module_strict=False)
        self._curve().load_state_dict(torch.load(folder / "scheduler.pt", weights_only=True))

    def _curve(self) -> Any:
        return self.lr_scheduler
