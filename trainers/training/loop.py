"""Hugging Face's Trainer with the recipe's order, optimizer and curve, and the loss over the global batch."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PrinterCallback

from vlmbench.trainers.data.batches import to_model
from vlmbench.trainers.devices import zero_of

from .checkpointing import CheckpointingTrainer
from .dataloader import BROKEN, FAILED
from .guard import Guard, Skipped, StoppedElsewhere, batch_kept
from .metrics import StepMetrics, Throughput
from .observers import Observers, StepCallback
from .optimizer import curve, optimizer
from .stage import StageSetup


class Loop(CheckpointingTrainer):
    """One stage on this rank."""

    def __init__(self, model: Any, args: Any, stage: StageSetup, observers: Observers) -> None:
        self._observers = observers
        self._share = curve(stage.recipe.schedule, stage.steps.all)
        self._guard = Guard()
        self._throughput = Throughput(stage.how.world, cpu=stage.how.cpu)
        self._losses: list[torch.Tensor] = []
        self._records: list[str] = []
        self._skipped = Skipped(stage.recipe.data, stage.job.work_dir / BROKEN)
        self._begun = False
        super().__init__(model, args, stage, [StepCallback(observers.progress)])
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> Any:
        """The stage's, which gives each rank its own samples already."""
        return self._stage.feed.loader

    def create_optimizer(self, model: Any = None) -> Any:
        """With a group for each part."""
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
        """Forward and backward; the ids of the batch are kept until the step is taken."""
        records = inputs.pop("record_ids")
        self._records += records
        inputs.pop("skipped")
        self._throughput.add(len(records), int((inputs["input_ids"] != self._stage.feed.pad).sum()))
        loss = super().training_step(model, to_model(inputs), num_items_in_batch)
        self._losses.append(loss)
        return loss

    def get_batch_samples(self, epoch_iterator: Any, num_batches: int, device: Any) -> Any:
        """The micro-batches of a step."""
        self._records, self._losses = [], []
        self._ask_between_steps()
        return super().get_batch_samples(epoch_iterator, num_batches, device)

    def _get_num_items_in_batch(self, batch_samples: list[dict[str, Any]], device: Any) -> Any:
        """Tokens with a label in the step, over all ranks; all ranks stop together where one has no batch."""
        failed = next((batch[FAILED] for batch in batch_samples if FAILED in batch), None)
        learned = -1 if failed else sum(int((b["labels"][..., 1:] != -100).sum()) for b in batch_samples)
        skipped = [record for batch in batch_samples for record in batch.get("skipped", ())]
        each = self.accelerator.gather(torch.tensor([[learned, len(skipped)]], device=device))
        if failed is not None:
            raise failed
        if bool((each[:, 0] < 0).any()):
            raise StoppedElsewhere
        if bool(each[:, 1].any()):
            self._skipped.add(skipped, first=self._stage.how.first)
        return each[:, 0].sum()

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        """Trainer calls this last before it takes a step: the guard may still stop it."""
        trainer: Any = super()
        norm = trainer._get_grad_norm(model, grad_norm)
        known = None if norm is None or self.accelerator.scaler is not None else float(norm)
        # Under DeepSpeed the norm is of the previous step.
        known = None if self.is_deepspeed_enabled else known
        # Each loss is a share of the mean over the global batch.
        own = torch.stack(self._losses).float().sum().reshape(1)
        every = self.accelerator.gather(own).tolist()
        step, rank = self.state.global_step + 1, self._stage.how.rank
        with batch_kept(self._stage.job.work_dir, step, rank, float(own), self._records):
            self._guard.check(step, float(own), every, known, self._records)
        self._observers.progress.loss = sum(every) / len(every)
        return norm

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Rank 0 records the metrics."""
        super().log(logs, start_time)
        if "loss" not in logs or not self._stage.how.first:
            return
        metrics = StepMetrics(
            step=self.state.global_step,
            epoch=float(self.state.epoch or 0),
            loss=logs["loss"],
            grad_norm=logs.get("grad_norm"),
            learning_rate=self._rates(),
            skipped=len(self._skipped),
            **self._throughput.take(),
        )
        self._observers.record(metrics)

    def _rates(self) -> dict[str, float]:
        """The rates of the last step; the scheduler is at the next one already."""
        share = self._share(max(self.state.global_step - 1, 0))
        groups: Any = self.optimizer
        return {group["name"]: group["initial_lr"] * share for group in groups.param_groups}

    def after_checkpoint(self, step: int) -> None:
        """Hold the sample conversation, unless the recipe sets its interval; after the last step always."""
        if self._stage.recipe.saving.sample_every is None or step >= self._stage.steps.all:
            self._ask(step)

    def _ask_between_steps(self) -> None:
        """Hold it before the first step and at the recipe's interval, between two steps."""
        step, every = self.state.global_step, self._stage.recipe.saving.sample_every
        # A resumed run holds it again: the run may have been stopped before it was held.
        if step == 0 or (not self._begun if every is None else step % every == 0):
            self._ask(step)
        self._begun = True

    def _ask(self, step: int) -> None:
        """Under ZeRO-3 every rank holds a shard of the model, so all ranks generate."""
        first, recipe = self._stage.how.first, self._stage.recipe
        together = zero_of(recipe.parallelism.deepspeed).stage == 3
        if self._observers.chat is None or not (together or first):
            return
        answers = self._observers.chat.ask(self.model, self.accelerator.autocast)
        if first:
            self._observers.hear(self._stage.job.work_dir, step, answers)
