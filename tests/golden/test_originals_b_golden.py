"""The authors' own evaluators of open answers: our rows and figures equal what their scripts printed.

Each file holds answers of our own invention, made nasty, and what the script in `source` made of them.
"""

from __future__ import annotations

import functools
from typing import Any

import pytest
from golden_cases import GOLDEN, read_json

from vlmbench.domain import Metric, Response, Row, Score
from vlmbench.engine.judgments import Judgment, Judgments
from vlmbench.engine.scoring import score_under_all
from vlmbench.registry import load_benchmark

NAMES = ("gqa", "textvqa", "ocrbench", "mathvista", "mmvet")

Run = tuple[dict[str, Score], list[Metric]]


@functools.cache
def golden(name: str) -> dict[str, Any]:
    case: dict[str, Any] = read_json(GOLDEN / "original" / f"{name}.json")
    return case


@functools.cache
def ours(name: str, runs: int = 3) -> Run:
    """Rows and figures under `original`; MM-Vet with the grades of so many runs."""
    case = golden(name)
    benchmark = load_benchmark(case["bench"])
    rows = [Row(index=cells["index"], cells={k: v for k, v in cells.items() if v}) for cells in case["data"]]
    samples = list(benchmark.samples(rows))
    assert not any(sample.problem for sample in samples)
    responses = {s.id: Response(id=s.id, text=case["predictions"][s.id], finish="stop") for s in samples}
    stored = {index.removeprefix("v1_"): judgment(said, runs) for index, said in judged(case).items()}
    judgments = Judgments("stored.json", "", None, stored) if stored else None
    scores, metrics = score_under_all(benchmark, samples, responses, judgments=judgments)
    return {score.id: score for score in scores["original"]}, list(metrics["original"])


def judged(case: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = case.get("judgments", {})
    return found


def judgment(said: Any, runs: int) -> Judgment:
    """An extract, or the grades of several runs."""
    if isinstance(said, str):
        return Judgment(words=said)
    return Judgment(authors=" ".join(map(str, said["score"][:runs])))


def value(metrics: list[Metric], level: str, name: str) -> float:
    found = [m.value for m in metrics if (m.level, m.name) == (level, name)]
    assert len(found) == 1, (level, name)
    assert found[0] is not None
    return found[0]


@pytest.mark.parametrize("name", NAMES)
def test_rows_equal_the_authors_script(name: str) -> None:
    rows, _ = ours(name)
    expected = golden(name)["rows"]
    assert rows.keys() == expected.keys()
    for index, row in expected.items():
        assert rows[index].value == pytest.approx(row["value"], abs=1e-12), (index, rows[index])
        if "extracted" in row:
            assert (rows[index].extracted or "") == (row["extracted"] or ""), (index, rows[index])


@pytest.mark.parametrize("name", ["gqa", "textvqa"])
def test_accuracy_is_printed_with_the_scripts_digits(name: str) -> None:
    _, metrics = ours(name)
    assert f"{100 * value(metrics, 'overall', 'accuracy'):.2f}" == golden(name)["figures"]["accuracy"]


def test_ocrbench_counts_equal_the_scripts() -> None:
    _, metrics = ours("ocrbench")
    printed = {m.name: m.value for m in metrics}
    assert printed == golden("ocrbench")["figures"]


def test_mathvista_figures_equal_the_scripts() -> None:
    _, metrics = ours("mathvista")
    figures = golden("mathvista")["figures"]
    assert value(metrics, "overall", "accuracy") == pytest.approx(
        figures.pop("average")["accuracy"], abs=1e-12
    )
    for column, parts in figures.items():
        level = "skill" if column == "skills" else column
        for name, part in parts.items():
            assert value(metrics, level, name) == pytest.approx(part["accuracy"], abs=1e-12), (column, name)
    assert len(metrics) == 1 + sum(map(len, figures.values()))


@pytest.mark.parametrize("runs", [1, 3])
def test_mmvet_figures_equal_the_scripts_to_the_last_digit(runs: int) -> None:
    _, metrics = ours("mmvet", runs)
    figures = golden("mmvet")["figures"][str(runs)]
    for name, printed in figures["abilities"].items():
        if name not in ("total", "std", "runs"):
            assert str(value(metrics, "ability", name)) == printed, name
    sets = {m.name: m.value for m in metrics if m.level == "category"}
    assert {"_".join(sorted(name.split(","))): str(v) for name, v in sets.items()} == {
        name: printed for name, printed in figures["sets"].items() if name not in ("total", "std", "runs")
    }
    assert str(value(metrics, "overall", "total")) == figures["abilities"]["total"]
    assert str(value(metrics, "runs", "std")) == figures["abilities"]["std"]
    each = [f"np.float64({m.value})" for m in metrics if m.name.startswith("run ")]
    assert f"[{', '.join(each)}]" == figures["abilities"]["runs"]


@pytest.mark.parametrize("name", ["mathvista", "mmvet"])
def test_without_stored_judgments_there_is_no_figure(name: str) -> None:
    case = golden(name)
    benchmark = load_benchmark(case["bench"])
    samples = list(benchmark.samples([Row(index=c["index"], cells=c) for c in case["data"]]))
    responses = {s.id: Response(id=s.id, text=case["predictions"][s.id], finish="stop") for s in samples}
    scores, metrics = score_under_all(benchmark, samples, responses)
    assert metrics["original"][0].value is None
    waiting = {s.id for s in scores["original"] if s.value is None}
    assert waiting == {index.removeprefix("v1_") for index in case["judgments"]}
