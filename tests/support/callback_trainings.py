"""Trainings by transformers' Trainer and TRL's SFTTrainer that draw random numbers at every step.

As a script, one rank of two, which trains in each way named: `torchrun … callback_trainings.py FOLDER MODEL
evaluated|plain|missing …`.
"""

from __future__ import annotations

import io
import json
import random
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tiny_models import picture

from vlmbench.domain import Benchmark, Card, Decoding, Metric, Request, Response, Row, RuleSet, Sample, Score
from vlmbench.model_files.processor import load_processor
from vlmbench.model_files.silence import quiet
from vlmbench.models.hf.fingerprint import weights_digest
from vlmbench.models.hf.model import load_config
from vlmbench.registry import Registry

STEPS = 4
RESTLESS = Decoding(max_new_tokens=4, do_sample=True, seed=5)


@dataclass(frozen=True)
class Restless:
    """A benchmark that draws from every stream of random numbers, samples, and may take its time."""

    inner: Benchmark
    seconds: Iterator[float]
    """How long each evaluation takes to read its samples; none left: no time."""

    @property
    def card(self) -> Card:
        return self.inner.card

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        time.sleep(next(self.seconds, 0.0))
        return self.inner.samples(rows)

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        random.random(), np.random.rand(), torch.rand(3)
        return self.inner.request(sample, style, RESTLESS)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        return self.inner.score(sample, response, rules)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        return self.inner.metrics(samples, scores, rules)


def restless(seconds: Sequence[float] = ()) -> Restless:
    return Restless(Registry().benchmark("Shapes_DEV_EN"), iter(seconds))


def loaded(folder: Path) -> tuple[Any, Any]:
    """The tiny model with dropout, and its processor; both anew."""
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(0)
    with quiet():
        config = load_config(folder, trust_remote_code=False)
        config.text_config.attention_dropout = 0.3
        model = AutoModelForImageTextToText.from_pretrained(folder, config=config)
    if hasattr(model.model, "vision_tower"):
        # DDP requires a gradient of every weight that has one, and LLaVA leaves the tower's last layer out.
        model.model.vision_tower.requires_grad_(False)
    processor = load_processor(folder, config)
    processor.tokenizer.padding_side = "right"
    return model, processor


def records(count: int = 16) -> list[dict[str, Any]]:
    from PIL import Image

    return [
        {
            "messages": [
                {
                    "role": "user",
                    "content": [{"type": "image"}, {"type": "text", "text": f"Colour {number}?"}],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "red " * (1 + number % 3)}]},
            ],
            "images": [Image.open(io.BytesIO(picture(40, 30, number)))],
        }
        for number in range(count)
    ]


def arguments(out: Path, **more: Any) -> dict[str, Any]:
    return {
        "output_dir": str(out),
        "max_steps": STEPS,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "gradient_checkpointing": True,
        "learning_rate": 1e-2,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": [],
        "use_cpu": True,
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        "disable_tqdm": True,
        "seed": 3,
        **more,
    }


def trainer(folder: Path, out: Path, *callbacks: Any, **more: Any) -> Any:
    """transformers' own."""
    from transformers import Trainer, TrainingArguments

    model, processor = loaded(folder)

    def collate(batch: list[dict[str, Any]]) -> Any:
        texts = [processor.apply_chat_template(record["messages"], tokenize=False) for record in batch]
        images = [record["images"] for record in batch]
        inputs = processor(text=texts, images=images, return_tensors="pt", padding=True)
        inputs.pop("token_type_ids", None)
        # Augmentation: a training whose batches depend on all three streams of random numbers.
        noise = random.random() + np.random.rand() + torch.rand(())
        inputs["pixel_values"] = inputs["pixel_values"] * (1 + 0.01 * noise)
        return inputs | {"labels": inputs["input_ids"].clone()}

    return Trainer(
        model=model,
        args=TrainingArguments(**arguments(out, **more)),
        train_dataset=records(),
        eval_dataset=records(2),
        data_collator=collate,
        processing_class=processor,
        callbacks=list(callbacks),
    )


def sft_trainer(folder: Path, out: Path, *callbacks: Any, **more: Any) -> Any:
    """TRL's."""
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    model, processor = loaded(folder)
    return SFTTrainer(
        model=model,
        args=SFTConfig(**arguments(out, max_length=None, **more)),
        train_dataset=Dataset.from_list(records()),
        processing_class=processor,
        callbacks=list(callbacks),
    )


def outcome(training: Any) -> dict[str, Any]:
    """What a training amounts to, to the last bit, without the clock and the callback's own figures."""
    with quiet():
        training.train()
    history = [
        {key: repr(value) for key, value in line.items() if not key.endswith(("_runtime", "_per_second"))}
        for line in training.state.log_history
        if not any(key.startswith("vlmbench/") for key in line)
    ]
    return {"history": history, "weights": weights_digest(training.model)}


def figures(training: Any) -> dict[int, list[str]]:
    """The callback's names in the Trainer's history, by step."""
    names: dict[int, list[str]] = {}
    for line in training.state.log_history:
        names.setdefault(line["step"], []).extend(name for name in line if name.startswith("vlmbench/"))
    return {step: found for step, found in names.items() if found}


def one_rank(folder: Path, model: Path, what: str) -> None:
    """Train on this rank and write the outcome, or the error; the training's collectives wait ten seconds."""
    from vlmbench import VlmbenchCallback
    from vlmbench.errors import UserError

    # Only the first of both evaluations takes longer than that.
    given = {"evaluated": restless(seconds=(12.0, 0.0)), "missing": "MMBench_DEV_EN"}
    callbacks = [VlmbenchCallback(given[what], every_steps=2, limit=2)] if what in given else []
    training = trainer(model, folder, *callbacks, ddp_timeout=10)
    try:
        found = outcome(training)
        found["figures"] = {str(step): names for step, names in figures(training).items()}
    except UserError as error:
        found = {"error": f"{type(error).__name__}: {error}", "steps": training.state.global_step}
    (folder / f"outcome.{torch.distributed.get_rank()}.json").write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    from accelerate.state import AcceleratorState

    torch.set_num_threads(1)
    for word in sys.argv[3:]:
        place = Path(sys.argv[1]) / word
        place.mkdir(parents=True, exist_ok=True)
        one_rank(place, Path(sys.argv[2]), word)
        AcceleratorState._reset_state()
    torch.distributed.destroy_process_group()
