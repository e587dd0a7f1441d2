"""Drawn data: the same for the same seed, written once, and nothing of a benchmark in it."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vlmbench.errors import UserError
from vlmbench.shapes import benchmark_layouts, training_questions
from vlmbench.trainers.data.generated import as_llava, folder_of
from vlmbench.trainers.data.records import as_record, turns_of
from vlmbench.trainers.recipe.model import Source

DAY = Source(kind="shapes", samples=6)
DUSK = Source(kind="shapes", samples=6, style="dusk")


def written(source: Source, home: Path, seed: int = 1) -> tuple[list[dict[str, Any]], Path]:
    made = as_llava(source, seed, home)
    assert made.kind == "llava"
    return json.loads(Path(str(made.annotations)).read_text("utf-8")), Path(str(made.images))


def pixels(file: Path) -> Any:
    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def test_a_drawn_source_is_a_llava_file_with_its_pictures(tmp_path: Path) -> None:
    records, pictures = written(DAY, tmp_path)
    assert len(records) == 6
    for record in records:
        turns = turns_of(as_record(record, 1))
        assert len(turns) == 1
        assert pixels(pictures / record["image"]).shape == (96, 96, 3)


def test_the_same_seed_draws_the_same_and_another_seed_does_not(tmp_path: Path) -> None:
    first, again, other = (
        written(DAY, tmp_path / name, seed)[0] for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first == again != other


def test_it_is_written_once(tmp_path: Path) -> None:
    written(DAY, tmp_path)
    file = folder_of(DAY, 1, tmp_path) / "records.json"
    file.write_text("[]")
    assert written(DAY, tmp_path)[0] == []


def test_at_dusk_the_same_things_lie_on_grey_grounds(tmp_path: Path) -> None:
    (day, bright), (dusk, dark) = written(DAY, tmp_path), written(DUSK, tmp_path)
    assert day == dusk
    light, dim = pixels(bright / "0.png"), pixels(dark / "0.png")
    changed = (light != dim).any(axis=2)
    assert dim[changed].max() < 160
    assert light[changed].min() > 200
    assert 0.4 < changed.mean() < 1


def test_no_benchmark_picture_is_drawn() -> None:
    layouts = benchmark_layouts()
    assert all(scene.layout() not in layouts for scene, _ in islice(training_questions(0), 200))


def test_how_many_has_to_be_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="needs a number of `samples`"):
        as_llava(Source(kind="shapes"), 0, tmp_path)
