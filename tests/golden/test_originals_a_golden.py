"""The rule set `original` equals the authors' scripts, row for row and figure for figure.

Each golden file says in `source` which script, at which commit, was run on its synthetic predictions.
`rows` and `figures` are what it made of them; where it prints few decimals, or percent, the file says so
in `decimals` and `scale`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import pytest
from golden_cases import GOLDEN, read_json

from vlmbench.answers.original import figures_under, original_of, scores_under
from vlmbench.domain import Benchmark, Metric, Response, Row, Sample, Score
from vlmbench.registry import load_benchmark
from vlmbench.report.page.texts import reasons_in_chinese

NAMES = ("mmmu", "mme", "scienceqa", "pope", "mmstar", "hallusionbench", "seedbench")


@dataclass(frozen=True, slots=True)
class Golden:
    """A golden file, and what the product makes of its rows and answers."""

    file: dict[str, Any]
    benchmark: Benchmark
    samples: list[Sample]
    scores: list[Score]

    @property
    def figures(self) -> dict[str, Metric]:
        metrics = figures_under(self.benchmark, self.samples, self.scores, "original")
        return {metric.name: metric for metric in reversed(metrics)}


@functools.cache
def golden(name: str) -> Golden:
    file = read_json(GOLDEN / "original" / f"{name}.json")
    benchmark = load_benchmark(file["bench"])
    rows = [Row(index=cells["index"], cells=cells, images=(cells["index"],)) for cells in file["data"]]
    samples = list(benchmark.samples(rows))
    responses = [Response(id=s.id, text=file["predictions"][s.id], finish="stop") for s in samples]
    scores = scores_under(benchmark, samples, responses, "original")
    if "judgments" in file:
        original: Any = original_of(benchmark)
        scores = [original.score_judged(sample, file["judgments"][sample.id]) for sample in samples]
    return Golden(file, benchmark, samples, scores)


@pytest.mark.parametrize("name", NAMES)
def test_rows_equal_the_script(name: str) -> None:
    case = golden(name)
    rows = {score.id: {"extracted": score.extracted, "value": score.value} for score in case.scores}
    for index, expected in case.file["rows"].items():
        assert expected.items() <= rows[index].items(), (index, case.file["predictions"][index])
    assert len(rows) == len(case.file["rows"]) > 200


@pytest.mark.parametrize("name", NAMES)
def test_figures_equal_the_script(name: str) -> None:
    case = golden(name)
    decimals, scale = case.file.get("decimals", {}), case.file.get("scale", 1)
    for figure, expected in case.file["figures"].items():
        value = case.figures[figure].value
        assert value is not None
        shown = round(value * scale, decimals[figure]) if figure in decimals else value * scale
        assert shown == expected, figure


@pytest.mark.parametrize("name", NAMES)
def test_figures_have_errors_and_intervals(name: str) -> None:
    headline = figures_under(golden(name).benchmark, golden(name).samples, golden(name).scores, "original")[0]
    assert headline.stderr
    assert headline.ci95 is not None
    assert headline.value is not None
    assert headline.ci95[0] < headline.value < headline.ci95[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_card_names_the_script(name: str) -> None:
    source = golden(name).file["source"]
    repository, commit = golden(name).benchmark.card.original.split(" ")[0].split("@")
    assert f"{repository}@{commit}" in source


@pytest.mark.parametrize("name", NAMES)
def test_every_reason_is_known_in_chinese(name: str) -> None:
    reasons = {score.reason for score in golden(name).scores} - {""}
    assert reasons == set(reasons_in_chinese(reasons))
