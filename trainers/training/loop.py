"""Hugging Face's Trainer, with the recipe's order, optimizer, curve and loss over the whole batch."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PrinterCallback

from vlmbench.trainers.data.collate import to_model
from vlmbench.trainers.devices import zero_of
from vlmbench.trainers.training.checkpointing import Keeping
from vlmbench.trainers.training.dataloader import BROKEN, FAILED
from vlmbench.trainers.training.observers import Looking, Stepping
from vlmbench.trainers.training.optimizer import optimizer

from .guard import Elsewhere, Guard, batch_kept
from .metrics import Pace, Reading
from .schedule import curve
from .skipping import Skipped
from .stage import Stage


class Loop(Keeping):
    """One stage on this rank."""

    def __init__(self, model: Any, args: Any, stage: Stage, looking: Looking) -> None:
        self._looking = looking
        self._share = curve(stage.recipe.schedule, stage.steps.all)
        self._guard = Guard()
        self._pace = Pace(stage.how.world, cpu=stage.how.cpu)
        self._losses: list[torch.Tensor] = []
        self._records: list[str] = []
        self._skipped = Skipped(stage.recipe.data, stage.job.work_dir / BROKEN)
        self._begun = False
        super().__init__(model, args, stage, [Stepping(looking.watch)])
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> Any:
        """Dealt to the ranks already."""
        return self._stage.feed.loader

    def create_optimizer(self, model: Any = None) -> Any:
        """By part."""
        if self.optimizer is None:
            on_gpu = not self._stage.how.cpu
            self.optimizer = optimizer(self.model, self._stage.recipe.schedule, on_gpu=on_gpu)
        return self.optimizer

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """The recipe's curve over all steps, whatever was done before."""
        if self.lr_scheduler is None:
            stepped: Any = self.optimizer if optimizer is None else optimizer
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(stepped, self._share)
            self._created_lr_scheduler = True
        return self.lr_scheduler

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        """Forward and back; the batch's names are kept until the step is taken."""
        records = inputs.pop("record_ids")
        self._records += records
        inputs.pop("skipped")
        self._pace.add(len(records), int((inputs["input_ids"] != self._stage.feed.pad).sum()))
        loss = super().training_step(model, to_model(inputs), num_items_in_batch)
        self._losses.append(loss)
        return loss

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """A step's batches; what a loading process could not do is raised here."""
        self._records, self._losses = [], []
        self._ask_on_the_way()
        return super().get_batch_samples(epoch_iterator, num_batches, device)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: Any) -> Any:
        """How many tokens are learned from, over all processes; they stop together where one has no batch."""
        failed = next((batch[FAILED] for batch in batch_samples if FAILED in batch), None)
        learned = -1 if failed else sum(int((b["labels"][..., 1:] != -100).sum()) for b in batch_samples)
        skipped = [record for batch in batch_samples for record in batch.get("skipped", ())]
        each = self.accelerator.gather(torch.tensor([[learned, len(skipped)]], device=device))
        if failed is not None:
            raise failed
        if bool((each[:, 0] < 0).any()):
            raise Elsewhere
        if bool(each[:, 1].any()):
            self._skipped.add(skipped, first=self._stage.how.first)
        return each[:, 0].sum()

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
        step, rank = self.state.global_step + 1, self._stage.how.rank
        with batch_kept(self._stage.job.work_dir, step, rank, float(own), self._records):
            self._guard.check(step, float(own), every, known, self._records)
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Told by the first process alone."""
        super().log(logs, start_time)
        if "loss" not in logs or not self._stage.how.first:
            return
        reading = Reading(
            step=self.state.global_step,
            epoch=float(self.state.epoch or 0),
            loss=logs["loss"],
            grad_norm=logs.get("grad_norm"),
            learning_rate=self._rates(),
            skipped=len(self._skipped),
            **self._pace.take(),
        )
        self._looking.read(reading)

    def _rates(self) -> dict[str, float]:
        """Of the step that was taken last: the curve stands at the next one already."""
        share = self._share(max(self.state.global_step - 1, 0))
        groups: Any = self.optimizer
        return {group["name"]: group["initial_lr"] * share for group in groups.param_groups}

    def after_checkpoint(self, step: int) -> None:
        """The sample conversation, unless the recipe has its own times for it; the last is always held."""
        if self._stage.recipe.saving.sample_every is None or step >= self._stage.steps.all:
            self._ask(step)

    def _ask_on_the_way(self) -> None:
        """Before the first step, and every so many after it: asked once the step before is whole."""
        step, every = self.state.global_step, self._stage.recipe.saving.sample_every
        # Where a run goes on, it is asked anew: the sitting before may have been stopped before that.
        if step == 0 or (not self._begun if every is None else step % every == 0):
            self._ask(step)
        self._begun = True

    def _ask(self, step: int) -> None:
        """Under ZeRO-3 each process holds a piece of the model: all have to ask."""
        first, recipe = self._stage.how.first, self._stage.recipe
        together = zero_of(recipe.parallelism.deepspeed).stage == 3
        if self._looking.talk is None or not (together or first):
            return
        answers = self._looking.talk.ask(self.model, self.accelerator.autocast)
        if first:
            self._looking.hear(self._stage.job.work_dir, step, answers)
