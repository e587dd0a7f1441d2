"""The page of a training that evaluated itself, in a real browser: curves, and scores as points."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from watched_page import Watched

from vlmbench.cli.main import main

pytestmark = pytest.mark.slow


def training(folder: Path, better: float = 0.0) -> Path:
    """Losses of many steps, scores of three."""
    folder.mkdir()
    lines = [{"step": step, "loss": 3 / step**0.5} for step in range(1, 400)]
    for step in (100, 200, 300):
        share = 0.3 + step / 1000 + better
        lines.append(
            {"step": step, "benchmark": "MMBench_DEV_EN", "value": share, "n": 300, "unit": "fraction",
             "ci95": [share - 0.05, share + 0.06], "name": "circular accuracy"}
        )  # fmt: skip
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def page(watched: Callable[..., Watched], *folders: Path) -> Watched:
    out = folders[-1] / "page.html"
    assert main(["report", *map(str, folders), "--out", str(out)]) == 0
    return watched(out.as_uri())


def test_scores_are_points_with_their_intervals_in_a_figure_of_their_own(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    seen = page(watched, training(tmp_path / "one"))
    titles = seen.page.locator("h2").all_inner_texts()
    assert titles == ["MMBench_DEV_EN · circular accuracy", "Loss"]
    scores = seen.page.locator(".scores")
    assert scores.locator("circle").count() == 3
    assert scores.locator("g.score").first.locator("line").count() == 3
    assert scores.locator("path").count() == 0
    assert "not evaluated before training" in scores.inner_text()
    assert "step 300: 60.0 % (55.0 % – 66.0 %), n 300" in scores.inner_text()
    assert "60 %" in scores.locator("svg").text_content()
    seen.page.locator("button", has_text="中文").click()
    assert "第 300 步" in scores.inner_text()
    assert seen.page.locator("h2").all_inner_texts() == ["MMBench_DEV_EN · 循环准确率", "损失"]
    seen.see("report-training-scores")
    assert seen.complaints == []


def test_two_trainings_have_their_points_side_by_side(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    seen = page(watched, training(tmp_path / "one"), training(tmp_path / "two", better=0.1))
    assert seen.page.locator(".scores circle").count() == 3
    assert seen.page.locator(".scores rect").count() == 3
    assert "step 300: 70.0 %" in seen.page.locator(".scores").inner_text()
    seen.see("report-trainings-scores")
    assert seen.complaints == []


def test_the_score_before_training_is_the_first_point(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    folder = training(tmp_path / "one")
    line = {"step": 0, "benchmark": "MMBench_DEV_EN", "value": 0.25, "n": 300, "unit": "fraction"}
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({**line, "ci95": [0.2, 0.3], "name": "circular accuracy"}) + "\n")
    seen = page(watched, folder)
    said = seen.page.locator(".scores p").all_inner_texts()
    assert [text.strip() for text in said] == [
        "before training: 25.0 % (20.0 % – 30.0 %), n 300",
        "step 300: 60.0 % (55.0 % – 66.0 %), n 300",
    ]
    assert seen.page.locator(".scores circle").count() == 4
    # The charts share their steps, so that a point stands below its place on the curves.
    below = [chart.locator("text").all_text_contents() for chart in seen.page.locator(".chart").all()]
    assert [["0" in words, "399" in words, words[-1]] for words in below] == [
        [True, True, "optimizer step"]
    ] * 2
    assert seen.complaints == []


def test_titles_are_words_and_counts_of_nothing_have_no_chart(
    watched: Callable[..., Watched], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    rates = {"language": 1e-4, "projector": 1e-3}
    more = {"learning_rate": rates, "rows": 160, "rows_per_second": 20.0, "memory": 2**30, "skipped": 0}
    lines = [{"step": step, "loss": 1 / step, "grad_norm": 0.5, **more} for step in (1, 2)]
    file = tmp_path / "run" / "metrics.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seen = page(watched, tmp_path / "run")
    assert seen.page.locator("h2").all_inner_texts() == [
        "Loss",
        "Learning rate: language model",
        "Learning rate: projector",
        "Gradient norm",
        "Records per second",
        "Peak memory, GB",
    ]
    assert seen.page.title() == "run · Training curves"
    seen.page.click("#language")
    assert "梯度范数" in seen.page.locator("h2").all_inner_texts()
    assert seen.page.title() == "run · 训练曲线"
    assert seen.page.url.endswith("#language=zh")
    lines = [{**line, "skipped": step} for step, line in enumerate(lines)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    seen = page(watched, tmp_path / "run")
    assert seen.page.locator("h2").last.inner_text() == "Records skipped"
    assert seen.complaints == []
