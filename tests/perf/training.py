"""Rows a second of training on data of mixed length: Trainer in two ways, ours, and ours packed.

    python tests/perf/training.py
    python tests/perf/training.py --rows 1024 --rounds 3 --threads 2

All train the same adapters on the same tiny LLaVA, from the same tokenised samples by the same collator,
which pads to the longest of a batch. The plain one shuffles, and goes back through its frozen tower, as
Trainer with adapters and gradient checkpointing is commonly set up (`enable_input_require_grads`); the
careful one shuffles too, and its frozen tower gets no gradients. Ours groups samples of like length, leaves
out the tower's last layer and keeps nothing of the frozen tower.
Rounds take turns, so that other work on the machine disturbs all alike; the ratios are between medians.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from transformers import Trainer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from llava_shapes import FEW_MILLIONS
from sized_llava import save_llava
from tiny_models import picture

from vlmbench.trainers.devices import rank_settings
from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training import TrainingJob
from vlmbench.trainers.training.dataloader import make_feed
from vlmbench.trainers.training.loop import Loop
from vlmbench.trainers.training.metrics import Metrics
from vlmbench.trainers.training.observers import Observers, TrainingProgress
from vlmbench.trainers.training.parts import build
from vlmbench.trainers.training.stage import StageSetup, trainer_settings
from vlmbench.trainers.training.start import read_start

WORDS = "What colour is the big circle on the left of the tree and where is a dog or a cat".split()  # noqa: SIM905


def write_records(folder: Path, count: int) -> Path:
    """Many short talks, some of them twenty times as long, one in sixteen text alone."""
    noise = random.Random(0)
    (folder / "pictures").mkdir(parents=True)
    records = []
    for number in range(count):
        length = max(4, min(700, int(noise.lognormvariate(4.0, 1.0))))
        answer = " ".join(noise.choice(WORDS) for _ in range(length))
        shown = number % 16 != 0
        asked = "What is it?"
        record: dict[str, Any] = {
            "id": str(number),
            "conversations": [
                {"from": "human", "value": f"<image>\n{asked}" if shown else asked},
                {"from": "gpt", "value": answer},
            ],
        }
        if shown:
            record["image"] = "one.png"
        records.append(record)
    (folder / "pictures" / "one.png").write_bytes(picture(84, 84))
    file = folder / "records.json"
    file.write_text(json.dumps(records), "utf-8")
    return file


def recipes(model: Path, data: Path, batch: int, *more: str) -> dict[str, Recipe]:
    """The four ways; `more` are settings of all."""
    source = f"[{{annotations: {data}, images: {data.parent / 'pictures'}}}]"
    common = [
        f"model.start={model}", f"data.sources={source}", "data.max_length=1024", "model.language.lora.r=8",
        f"schedule.batch={batch}", "saving.every=100000", "saving.log_every=100000", *more,
    ]  # fmt: skip
    base = read_recipe("demo_lora", common)
    grouped = replace(base, data=replace(base.data, sampler="length-grouped"))
    packed = replace(
        base, data=replace(base.data, packing=True), schedule=replace(base.schedule, batch=max(1, batch // 4))
    )
    return {"plain": base, "careful": base, "ours": grouped, "packed": packed}


def seconds(name: str, recipe: Recipe, folder: Path) -> float:
    """One epoch, from the first batch to the last step."""
    how = rank_settings(recipe.parallelism)
    job = TrainingJob(recipe=recipe, work_dir=folder / name, home=folder / "home")
    job.work_dir.mkdir(parents=True, exist_ok=True)
    start = read_start(recipe, job.work_dir)
    made = make_feed(recipe, start, how, job.work_dir, job.home)
    stage = StageSetup(job=job, how=how, start=start, feed=made)
    model = build(start.llava, recipe, how).model
    trainer: Any
    if name in ("plain", "careful"):
        undo(model, gradients=name == "plain")
        trainer = Plain(model=model, args=trainer_settings(stage), train_dataset=made.dataset)
        trainer.loader = made.loader
    else:
        unseen = Observers(
            metrics=Metrics(job.work_dir, 0, writes=False), progress=TrainingProgress(quiet=True), chat=None
        )
        trainer = Loop(model, trainer_settings(stage), stage, unseen)
    trainer._save_checkpoint = lambda *_: None
    began = time.perf_counter()
    trainer.train()
    return time.perf_counter() - began


def undo(model: Any, *, gradients: bool) -> None:
    """As Trainer is commonly given it: every layer of the tower computes, and is only not updated."""
    tower = model.model.vision_tower
    del tower.forward
    for layer in tower.encoder.layers:
        layer.__dict__.pop("forward", None)
    if gradients:
        # What `enable_input_require_grads` does, which adapters and gradient checkpointing are run with.
        tower.embeddings.register_forward_hook(lambda _m, _i, out: out.requires_grad_(True))


class Plain(Trainer):
    """Hugging Face's loop with the same batches in a shuffled order."""

    loader: Any = None

    def get_train_dataloader(self) -> Any:
        return self.loader

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        kept = {name: value for name, value in inputs.items() if name not in ("record_ids", "skipped")}
        return super().training_step(model, kept, num_items_in_batch)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=512)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = save_llava(folder / "model", FEW_MILLIONS)
        ways = recipes(model, write_records(folder / "data", args.rows), args.batch)
        taken: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(args.rounds):
            for way, recipe in ways.items():
                taken[way].append(seconds(way, recipe, folder))
    rates = {way: args.rows / statistics.median(times) for way, times in taken.items()}
    for way, rate in rates.items():
        print(f"{way:8} {rate:8.1f} rows/s   {rate / rates['plain']:.2f} of plain")


if __name__ == "__main__":
    main()
