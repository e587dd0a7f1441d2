"""The shipped demo model loads anywhere, answers by looking, and can be trained again."""

from __future__ import annotations

import base64
import csv
import io
import json
import logging
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vlmbench.shapes.questions import LETTERS
from vlmbench.trainers.data.shapes import option_prompt, select_prompt

PASS = 1_000_000
MODEL = Path(str(files("vlmbench.models") / "demo"))
DATA = files("vlmbench.benchmarks") / "data"
Row = dict[str, str]


@cache
def table(name: str) -> dict[int, Row]:
    text = (DATA / f"{name}.tsv").read_text(encoding="utf-8")
    return {int(row["index"]): row for row in csv.DictReader(io.StringIO(text), delimiter="\t")}


@cache
def loaded() -> tuple[Any, Any, dict[str, Any]]:
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    model, info = AutoModelForImageTextToText.from_pretrained(
        MODEL, dtype=torch.float32, output_loading_info=True
    )
    return model.eval(), AutoProcessor.from_pretrained(MODEL), info


def picture(rows: dict[int, Row], row: Row) -> Image.Image:
    cell = row["image"] if len(row["image"]) > 64 else rows[int(row["image"])]["image"]
    return Image.open(io.BytesIO(base64.b64decode(cell))).convert("RGB")


def ask(prompts: list[str], pictures: list[Image.Image]) -> list[str]:
    import torch

    model, processor, _ = loaded()
    texts = [
        processor.apply_chat_template(
            [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": prompt}]}],
            add_generation_prompt=True,
        )
        for prompt in prompts
    ]
    inputs = processor(images=pictures, text=texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=4)
    return processor.batch_decode(tokens[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


def circular(name: str, every: int, style: Any = option_prompt, blind: bool = False) -> dict[str, list[bool]]:
    """Per question type, whether all rotations of each `every`-th question were answered right."""
    rows = table(name)
    by_type: dict[str, list[int]] = defaultdict(list)
    for key in sorted(key for key in rows if key < PASS):
        by_type[rows[key]["category"]].append(key)
    chosen = {key for keys in by_type.values() for key in keys[::every]}
    asked = [row for key, row in rows.items() if key % PASS in chosen]
    prompts = [style(row["hint"], row["question"], tuple(row[x] for x in LETTERS if row[x])) for row in asked]
    pictures = [Image.new("RGB", (96, 96), "grey") if blind else picture(rows, row) for row in asked]
    right: dict[int, bool] = defaultdict(lambda: True)
    for row, answer in zip(asked, ask(prompts, pictures), strict=True):
        right[int(row["index"]) % PASS] &= answer.strip() == row["answer"]
    found: dict[str, list[bool]] = defaultdict(list)
    for key, value in right.items():
        found[rows[key]["category"]].append(value)
    return found


def share(found: dict[str, list[bool]]) -> float:
    values = [value for group in found.values() for value in group]
    return sum(values) / len(values)


def test_folder_is_small_and_uses_the_published_names() -> None:
    assert sum(path.stat().st_size for path in MODEL.iterdir()) <= 6_000_000
    header = (MODEL / "model.safetensors").read_bytes()
    names = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])
    starts = ("vision_tower.vision_model.", "multi_modal_projector.", "language_model.", "__metadata__")
    assert all(name.startswith(starts) for name in names)


def test_model_loads_without_missing_or_unexpected_weights(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="transformers"):
        _, _, info = loaded()
    assert not any(info.values())
    assert not caplog.records


@pytest.mark.parametrize("name", ["Shapes_DEV_EN", "Shapes_DEV_CN"])
def test_model_passes_the_circular_test_in_both_languages(name: str) -> None:
    found = circular(name, every=2)
    assert share(found) >= 0.6
    assert min(sum(group) / len(group) for group in found.values()) > 0.3


def test_other_prompt_style_works_as_well() -> None:
    assert share(circular("Shapes_DEV_EN", every=4, style=select_prompt)) >= 0.5


def test_without_the_picture_the_model_is_at_chance() -> None:
    assert share(circular("Shapes_DEV_EN", every=2, blind=True)) <= 0.4


def test_answer_is_one_letter_and_then_the_end() -> None:
    import torch

    model, processor, _ = loaded()
    row = table("Shapes_DEV_EN")[1]
    text = f"USER: <image>\n{option_prompt('', row['question'], (row['A'], row['B'], row['C']))} ASSISTANT:"
    inputs = processor(images=picture(table("Shapes_DEV_EN"), row), text=text, return_tensors="pt")
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=20)[0, inputs["input_ids"].shape[1] :]
    assert len(tokens) == 2
    assert tokens[-1] == model.generation_config.eos_token_id


def test_unknown_words_and_scripts_do_not_stop_the_model() -> None:
    grey = Image.new("RGB", (300, 200), "grey")
    assert len(ask(["Erzähle mir, 世界 🦜, what <b>that</b> is!", ""], [grey, grey])) == 2


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Steps this small wait for one another when several threads share a busy core."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_a_few_steps_of_training_lower_the_loss(tmp_path: Path) -> None:
    from vlmbench.trainers.demo_model.model import export
    from vlmbench.trainers.demo_model.training import DemoPlan, train_from_scratch

    losses: list[float] = []
    plan = DemoPlan(steps=12, batch_size=4, warm_up=2)
    model, tokenizer = train_from_scratch(plan, lambda step, loss, seconds: losses.append(loss))
    export(model, tokenizer, tmp_path)
    assert losses[-1] < losses[0] - 0.5
    shipped, made = ({path.name for path in folder.iterdir()} for folder in (MODEL, tmp_path))
    assert shipped == made | {"README.md"}
