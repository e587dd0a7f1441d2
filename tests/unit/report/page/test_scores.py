"""Scores in a training's log are points of their own on its page, and no curves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from vlmbench.report.page.compose import page_of_trainings
from vlmbench.report.page.training import read_metrics, read_scores


def write(folder: Path, *lines: object) -> Path:
    folder.mkdir(exist_ok=True)
    file = folder / "metrics.jsonl"
    file.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))
    return file


def score(step: int, value: Any, **more: Any) -> dict[str, Any]:
    return {"step": step, "benchmark": "B", "value": value, "n": 9, "name": "accuracy", **more}


def figures(folder: Path) -> dict[str, Any]:
    found = re.search(r'id="data-figures">(.*?)</script>', page_of_trainings([folder]), re.DOTALL)
    assert found is not None
    document: dict[str, Any] = json.loads(found.group(1))
    return document


def test_scores_are_by_benchmark_and_step_with_their_intervals(tmp_path: Path) -> None:
    file = write(
        tmp_path / "w",
        {"step": 1, "loss": 2.0},
        score(4, 0.5, ci95=[0.25, 0.75]),
        {"step": 2, "loss": 1.0},
        score(2, 0.25),
        score(4, 0.75, ci95=[0.5, 1.0]),
        {"step": 4, "benchmark": "MME", "value": 1400, "name": "score", "unit": "points", "ci95": None},
    )
    assert read_scores(file) == [
        {"name": "B", "figure": "accuracy", "unit": "fraction",
         "points": [[2, 0.25, None, None, 9], [4, 0.75, 0.5, 1.0, 9]]},
        {"name": "MME", "figure": "score", "unit": "points", "points": [[4, 1400, None, None, None]]},
    ]  # fmt: skip
    series, unread = read_metrics(file)
    assert (list(series), unread) == (["loss"], 0)
    assert [curve["name"] for curve in figures(tmp_path / "w")["runs"][0]["curves"]] == ["loss"]


def test_what_is_no_score_has_no_point(tmp_path: Path) -> None:
    file = write(
        tmp_path / "w",
        score(1, None),
        score(2, "0.5"),
        '{"step": 3, "benchmark": "B", "value": NaN}',
        {"benchmark": "B", "value": 1},
        score(10, 0.5, ci95=[0.4, None]),
        '{"step": 4, "benchmark": "B", "va',
    )
    assert read_scores(file)[0]["points"] == [[10, 0.5, None, None, 9]]
    assert figures(tmp_path / "w")["runs"][0]["steps"] == 10
