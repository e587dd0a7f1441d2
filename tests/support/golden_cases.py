"""Golden tables and answers as samples, read without the product's reader."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

from repository import GOLDEN

from vlmbench.answers.circular import group_key
from vlmbench.domain import Response, Sample

SCORING = GOLDEN / "scoring"
CHOICE_CASES = {
    "mmbench_dev_en": "MMBench_DEV_EN",
    "mmbench_dev_cn": "MMBench_DEV_CN",
    "mmbench_mixed_split": "MMBench_DEV_EN",
    "ccbench": "CCBench",
    "seedbench_img": "SEEDBench_IMG",
    "ai2d": "AI2D_TEST",
    "scienceqa": "ScienceQA_TEST",
    "mmstar": "MMStar",
    "mmmu": "MMMU_DEV_VAL",
    "mcq_na_options": "SEEDBench_IMG",
}
"""Golden folders of multiple choice, and the benchmark each was made as."""
MMBENCH = GOLDEN / "training" / "mmbench"
LEVELS = ("l2-category", "category")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def read_lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def read_samples(path: Path, *, circular: bool) -> list[Sample]:
    csv.field_size_limit(sys.maxsize)
    with path.open(encoding="utf-8", newline="") as file:
        return [sample_of(row, circular=circular) for row in csv.DictReader(file, delimiter="\t")]


def sample_of(row: dict[str, str], *, circular: bool) -> Sample:
    cells = {name: text for name, text in row.items() if text and name != "image"}
    index = cells["index"]
    return Sample(
        id=index,
        question=cells.get("question", ""),
        group=cells.get("g_index") or group_key(index) if circular else index,
        hint=cells.get("hint"),
        choices={name: text for name, text in cells.items() if len(name) == 1 and name.isupper()},
        references=(cells["answer"],) if "answer" in cells else (),
        split=cells.get("split"),
        categories={level: cells[level] for level in LEVELS if level in cells},
        cells=cells,
    )


def answer_to(sample: Sample, text: str) -> Response:
    return Response(id=sample.id, text=text, finish="stop")
