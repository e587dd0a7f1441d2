"""Trainings that take seconds: a tiny LLaVA, a handful of records of all lengths, few steps."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiny_models import picture

from vlmbench.trainers.recipe.loading import read_recipe
from vlmbench.trainers.recipe.model import Recipe

COLOURS = ("red", "green", "blue", "yellow")


def write_records(folder: Path, count: int = 24) -> Path:
    """LLaVA data: every third record is text alone, answers are of many lengths."""
    (folder / "pictures").mkdir(parents=True)
    records = []
    for number in range(count):
        colour = COLOURS[number % 4]
        shown = number % 3 != 2
        asked = f"Which colour is number {number}?"
        record: dict[str, Any] = {
            "id": f"r{number}",
            "conversations": [
                {"from": "human", "value": f"<image>\n{asked}" if shown else asked},
                {"from": "gpt", "value": f"{colour} " * (1 + number % 5)},
            ],
        }
        if shown:
            record["image"] = f"{number}.png"
            (folder / "pictures" / f"{number}.png").write_bytes(picture(40, 30, seed=number))
        records.append(record)
    file = folder / "records.json"
    file.write_text(json.dumps(records), "utf-8")
    return file


def settings(model: Path, data: Path, *more: str) -> list[str]:
    """What `--set` makes of a demo recipe: this model, these records, two epochs of three steps."""
    source = f"[{{annotations: {data}, images: {data.parent / 'pictures'}}}]"
    return [
        f"model.start={model}",
        f"data.sources={source}",
        "data.max_length=120",
        "schedule.batch=4",
        "schedule.accumulation=2",
        "schedule.epochs=2",
        "saving.every=2",
        "saving.log_every=1",
        "saving.sample=false",
        *more,
    ]


def small(model: Path, data: Path, *more: str, name: str = "demo_lora") -> Recipe:
    """A demo recipe with those settings."""
    return read_recipe(name, settings(model, data, *more))


def with_dropout(recipe: Recipe) -> Recipe:
    """The same with chance in its steps, and with samples of like length together."""
    lora = recipe.model.language.lora
    assert lora is not None
    language = replace(recipe.model.language, lora=replace(lora, dropout=0.2))
    data = replace(recipe.data, sampler="length-grouped")
    return replace(recipe, model=replace(recipe.model, language=language), data=data)
