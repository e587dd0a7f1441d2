"""Hugging Face's Trainer with checkpoints that are whole or absent, and hold the trained parameters only.

The parameters are read by name wherever they are kept: on one device, or sharded by DeepSpeed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import Trainer

from vlmbench.errors import UserError
from vlmbench.model_files.weights import LazyTensor, Weights, save_safetensors
from vlmbench.trainers.training import checkpoints
from vlmbench.trainers.training.guard import StoppedElsewhere
from vlmbench.trainers.training.job import Saved
from vlmbench.trainers.training.optimizer import rates
from vlmbench.trainers.training.parts import trained
from vlmbench.trainers.training.stage import StageSetup

_LISTED = 5


class CheckpointingTrainer(Trainer):
    """Trainer, with its own way to write and to read checkpoints."""

    def __init__(self, model: Any, args: Any, stage: StageSetup, callbacks: list[Any]) -> None:
        self._stage = stage
        super().__init__(model=model, args=args, train_dataset=stage.feed.dataset, callbacks=callbacks)

    def after_checkpoint(self, step: int) -> None:
        """Called on every rank once a checkpoint is whole; subclasses override it."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """All ranks write into a hidden folder; rank 0 renames it."""
        job, how, step = self._stage.job, self._stage.how, self.state.global_step
        with checkpoints.room_for(job.work_dir, step, self._needed()):
            self._together(lambda: checkpoints.open_aside(job.work_dir, step) if how.first else None)
            self._together(lambda: self._write(checkpoints.aside(job.work_dir, step)))
            facts = checkpoints.facts_of(job.recipe, how, step, self._stage.given)
            facts["start"] = self._stage.start.facts()
            keep = job.recipe.saving.keep
            self._together(lambda: checkpoints.settle(job.work_dir, step, facts, keep) if how.first else None)
        if how.first:
            self._notify(checkpoints.place(job.work_dir, step), step)
        self.after_checkpoint(step)
        self.accelerator.wait_for_everyone()

    def _together(self, work: Callable[[], object]) -> None:
        """Do it on every rank before any goes on; where one fails, all stop, and it raises its error."""
        failed: OSError | RuntimeError | None = None
        try:
            work()
        except (OSError, RuntimeError) as error:
            if self.is_deepspeed_enabled:
                # DeepSpeed's save is collective: a rank that is blocked in it cannot be notified.
                raise
            failed = error
        each = self.accelerator.gather(torch.tensor([int(failed is not None)], device=self.args.device))
        if failed is not None:
            raise failed
        if bool(each.any()):
            raise StoppedElsewhere

    def _needed(self) -> int:
        """Estimated bytes of a checkpoint: the trained parameters and AdamW's two moments, in float32."""
        tensors = gathered(self.model, deepspeed=self.is_deepspeed_enabled)
        return 3 * sum(kept.nbytes for kept in tensors.values())

    def _write(self, folder: Path) -> None:
        first = self._stage.how.first
        tensors = gathered(self.model, deepspeed=self.is_deepspeed_enabled)
        if first:
            save_safetensors(tensors, folder / checkpoints.TRAINED)
        elif self.is_deepspeed_enabled:
            for kept in tensors.values():  # a collective for each: rank 0 saves them in the same order
                kept.load()
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
            self._stage.start.write_wording(folder)

    def _notify(self, folder: Path, step: int) -> None:
        if self._stage.job.on_checkpoint is not None:
            last = step >= self._stage.steps.all
            saved = Saved(folder=folder, step=step, epoch=float(self.state.epoch or 0), last=last)
            self._stage.job.on_checkpoint(saved)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        load_trained(self.model, Path(resume_from_checkpoint) / checkpoints.TRAINED)

    def _init_training_state(self, max_steps: int, *rest: Any) -> Any:
        """As in Trainer, but save and log intervals come from the current recipe, not from the checkpoint."""
        trainer: Any = super()
        found = trainer._init_training_state(max_steps, *rest)
        state: Any = self.state
        state.compute_steps(self.args, max_steps)
        return found

    def _prepare_for_training(
        self, max_steps: int, train_dataloader: Any, resume_from_checkpoint: Any
    ) -> Any:
        """As in Trainer, then read the checkpoint, which holds the trained parameters only."""
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
        """Set the current recipe's rates: the checkpoint restored those that it was written with."""
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


def gathered(model: Any, *, deepspeed: bool) -> Weights:
    """The trained parameters in float32 on the CPU, each read when it is loaded.

    Under DeepSpeed a load is collective: all ranks load them in the same order.
    """
    read = _whole if deepspeed else _own
    return {
        name: LazyTensor(
            # A parameter that is sharded has an empty shape of its own.
            shape=tuple(getattr(parameter, "ds_shape", parameter.shape)),
            dtype="float32",
            load=partial(read, parameter),
        )
        for name, parameter in sorted(trained(model))
    }


def _own(parameter: torch.Tensor) -> torch.Tensor:
    return parameter.detach().float().cpu()


def _whole(parameter: torch.Tensor) -> torch.Tensor:
    """DeepSpeed's float32 original; it keeps none where it shards nothing."""
    from importlib import import_module

    kept = import_module("deepspeed.utils").safe_get_full_fp32_param(parameter)
    return _own(parameter if kept is None else kept)


def load_trained(model: Any, file: Path) -> None:
    """Copy the file's parameters into the model; both must have the same names."""
    held = load_file(file)
    wanted = dict(trained(model))
    missing, strange = sorted(wanted.keys() - held.keys()), sorted(held.keys() - wanted.keys())
    if missing or strange:
        parts = [f"missing: {_some(missing)}"] * bool(missing) + [f"unknown: {_some(strange)}"] * bool(
            strange
        )
        raise UserError(f"does not fit the model: {'; '.join(parts)}.", file=file)
    with torch.no_grad():
        for name, parameter in wanted.items():
            parameter.copy_(held[name])


def _some(names: list[str]) -> str:
    return ", ".join(names[:_LISTED]) + (f" and {len(names) - _LISTED} more" if len(names) > _LISTED else "")
