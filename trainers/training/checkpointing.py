"""Hugging Face's Trainer, with checkpoints that are there whole or not at all, of what is trained alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

from vlmbench.trainers.training import checkpoints, weights
from vlmbench.trainers.training.guard import Elsewhere
from vlmbench.trainers.training.job import Saved
from vlmbench.trainers.training.optimizer import rates
from vlmbench.trainers.training.stage import Stage


class Keeping(Trainer):
    """Writes and reads them; what is done between two of them is Trainer's."""

    def __init__(self, model: Any, args: Any, stage: Stage, callbacks: list[Any]) -> None:
        self._stage = stage
        super().__init__(model=model, args=args, train_dataset=stage.feed.dataset, callbacks=callbacks)

    def after_checkpoint(self, step: int) -> None:
        """To be filled in: called on every process, once a checkpoint is whole."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Written aside by all ranks, renamed by the first."""
        job, how, step = self._stage.job, self._stage.how, self.state.global_step
        with checkpoints.room_for(job.work_dir, step, self._needed()):
            self._together(lambda: checkpoints.open_aside(job.work_dir, step) if how.first else None)
            self._together(lambda: self._write(checkpoints.aside(job.work_dir, step)))
            facts = checkpoints.facts_of(job.recipe, how, step, self._stage.given)
            keep = job.recipe.saving.keep
            self._together(lambda: checkpoints.settle(job.work_dir, step, facts, keep) if how.first else None)
        if how.first:
            self._tell(checkpoints.place(job.work_dir, step), step)
        self.after_checkpoint(step)
        self.accelerator.wait_for_everyone()

    def _together(self, work: Callable[[], object]) -> None:
        """Before any process goes on, all have done it; where one cannot, all stop, and that one says why."""
        failed: OSError | RuntimeError | None = None
        try:
            work()
        except (OSError, RuntimeError) as error:
            if self.is_deepspeed_enabled:
                # It lets processes meet while they write: who waits there is not to be told.
                raise
            failed = error
        each = self.accelerator.gather(torch.tensor([int(failed is not None)], device=self.args.device))
        if failed is not None:
            raise failed
        if bool(each.any()):
            raise Elsewhere

    def _needed(self) -> int:
        """Bytes of a checkpoint, about: what is trained, and AdamW's two moments of it, in float32."""
        tensors = weights.gathered(self.model, deepspeed=self.is_deepspeed_enabled)
        return 3 * sum(kept.nbytes for kept in tensors.values())

    def _write(self, folder: Path) -> None:
        first = self._stage.how.first
        tensors = weights.gathered(self.model, deepspeed=self.is_deepspeed_enabled)
        if first:
            weights.save(tensors, folder / checkpoints.TRAINED)
        elif self.is_deepspeed_enabled:
            weights.follow(tensors)
        if self.is_deepspeed_enabled:
            engine: Any = self.model_wrapped
            engine.save_checkpoint(str(folder), exclude_frozen_parameters=True)
            if first:
                torch.save(self._curve().state_dict(), folder / "scheduler.pt")
        else:
            self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        if first:
            self.state.save_to_json(str(folder / "trainer_state.json"))

    def _tell(self, folder: Path, step: int) -> None:
        if self._stage.job.on_checkpoint is not None:
            last = step >= self._stage.steps.all
            saved = Saved(folder=folder, step=step, epoch=float(self.state.epoch or 0), last=last)
            self._stage.job.on_checkpoint(saved)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        weights.load(self.model, Path(resume_from_checkpoint) / checkpoints.TRAINED)

    def _init_training_state(self, max_steps: int, *rest: Any) -> Any:
        """As ever; but when to save and to log is the recipe's, as it is now, and not the checkpoint's."""
        trainer: Any = super()
        found = trainer._init_training_state(max_steps, *rest)
        state: Any = self.state
        state.compute_steps(self.args, max_steps)
        return found

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
            self._take_rates()
        return prepared

    def _take_rates(self) -> None:
        """The recipe's, as it is now: the checkpoint has brought those that it was written with."""
        curve, stepped = self._curve(), self.optimizer
        full = rates(self._stage.recipe.schedule)
        share = curve.lr_lambdas[0](curve.last_epoch)
        groups: Any = stepped.param_groups if stepped is not None else []
        for group in groups:
            group["initial_lr"] = full[group["name"]]
            group["lr"] = group["initial_lr"] * share
        curve.base_lrs = [group["initial_lr"] for group in groups]

    def _load_deepspeed(self, folder: Path) -> None:
        engine: Any = self.model_wrapped
        engine.load_checkpoint(str(folder), load_module_strict=False)
        self._curve().load_state_dict(torch.load(folder / "scheduler.pt", weights_only=True))

    def _curve(self) -> Any:
        return self.lr_scheduler
