"""A recipe in the words of Hugging Face's Trainer."""

from __future__ import annotations

from typing import Any

from transformers import TrainingArguments

from .stage import Stage


def arguments(stage: Stage) -> Any:
    """The Trainer's settings; with them, the processes of a run know each other."""
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
        report_to=[] if stage.job.tracker is None else [stage.job.tracker],
        run_name=recipe.name,
        disable_tqdm=True,
        remove_unused_columns=False,
        gradient_checkpointing=False,
        log_level="error",
        log_level_replica="error",
    )
    # One process would spread each batch over all GPUs that it sees, by nn.DataParallel.
    made._n_gpu = min(made.n_gpu, 1)
    return made
