"""Multiple choice under the compatible rules equals what the original toolkits computed, exactly."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
from golden_cases import MMBENCH, SCORING, answer_to, read_json, read_lines, read_samples, sample_of

from vlmbench.answers.choice import find_choice, score_choice
from vlmbench.answers.circular import score_groups
from vlmbench.answers.mmmu import as_choice_question
from vlmbench.answers.toolkits import (
    Units,
    answers_as_read,
    samples_as_read,
    vlmevalkit_records,
    xtuner_result,
)
from vlmbench.domain import RuleSet, Sample, Score

CIRCULAR = ("mmbench_dev_en", "mmbench_dev_cn", "mmbench_mixed_split", "ccbench")
PLAIN = ("mcq_na_options", "seedbench_img", "ai2d", "scienceqa", "mmstar", "mmmu")
GENERATIONS: dict[RuleSet, str | None] = {
    "vlmevalkit": None,
    "vlmevalkit-2025-08": "2025-08",
    "vlmevalkit-2024": "2024",
}


def score_all(
    samples: list[Sample], texts: list[str | None], rules: RuleSet
) -> tuple[list[Sample], list[Score]]:
    seen = samples_as_read(samples, rules)
    answers = answers_as_read(texts, rules)
    return seen, [score_choice(s, answer_to(s, a), rules) for s, a in zip(seen, answers, strict=True)]


@functools.cache
def scored(case: str, rules: RuleSet) -> tuple[list[Sample], list[Score]]:
    samples = read_samples(SCORING / case / "data.tsv", circular=case in CIRCULAR)
    if case == "mmmu":
        samples = [as_choice_question(s) for s in samples_as_read(samples, rules)]
    lines = read_lines(SCORING / case / "predictions.jsonl")
    assert [str(line["index"]) for line in lines] == [s.id for s in samples]
    return score_all(samples, [line["prediction"] for line in lines], rules)


def units_of(case: str, rules: RuleSet) -> Units:
    samples, scores = scored(case, rules)
    if case in CIRCULAR:
        groups = score_groups(samples, scores, rules)
        return [(g.base, g.value) for g in groups if g.value is not None]
    return [(s, c.value) for s, c in zip(samples, scores, strict=True) if c.value is not None]


def expected_of(case: str, generation: str | None) -> dict[str, Any]:
    """The golden outcome, with an older generation's differences laid over the current one."""
    expected = read_json(SCORING / case / "expected.json")
    if generation is None:
        return expected
    older = expected["older_matching_rules"][generation]
    return {
        "metrics": older["metrics"],
        "rows": expected["rows"] | older["rows_that_differ"],
        "groups": expected.get("groups", {}) | older.get("groups_that_differ", {}),
    }


@pytest.mark.parametrize("rules", GENERATIONS)
@pytest.mark.parametrize("case", CIRCULAR + PLAIN)
def test_rows_equal_vlmevalkit(case: str, rules: RuleSet) -> None:
    rows = expected_of(case, GENERATIONS[rules])["rows"]
    _, scores = scored(case, rules)
    assert {s.id: s.extracted for s in scores} == {i: row["extracted"] for i, row in rows.items()}
    if case in PLAIN:
        assert {s.id: s.value for s in scores} == {i: row["hit"] for i, row in rows.items()}


@pytest.mark.parametrize("rules", GENERATIONS)
@pytest.mark.parametrize("case", CIRCULAR)
def test_groups_equal_vlmevalkit(case: str, rules: RuleSet) -> None:
    groups = score_groups(*scored(case, rules), rules)
    assert {g.group: g.value for g in groups} == expected_of(case, GENERATIONS[rules])["groups"]


@pytest.mark.parametrize("rules", GENERATIONS)
@pytest.mark.parametrize("case", CIRCULAR + PLAIN)
def test_tables_equal_vlmevalkit(case: str, rules: RuleSet) -> None:
    records = vlmevalkit_records(units_of(case, rules))
    expected = expected_of(case, GENERATIONS[rules])["metrics"]["records"]
    assert records == expected
    assert [list(record) for record in records] == [list(record) for record in expected]


@pytest.mark.parametrize(
    ("rules", "key"),
    [("vlmevalkit", "option"), ("vlmevalkit-2025-08", "option_2025_08"), ("vlmevalkit-2024", "option_2024")],
)
def test_option_finding_equals_vlmevalkit(rules: RuleSet, key: str) -> None:
    for line in read_lines(SCORING / "units" / "option_matching.jsonl"):
        found = find_choice(rules, str(line["answer"]), line["choices"])
        assert found.letter == line[key], line


def test_letters_equal_xtuner() -> None:
    for case in read_json(MMBENCH / "letters.json")["cases"]:
        found = find_choice("xtuner", case["prediction"], {}).letter or ""
        assert [found] == case["extracted"], case


def test_scores_equal_xtuner() -> None:
    for table in read_json(MMBENCH / "dev_scores.json"):
        rows = [{k: str(v) for k, v in row.items() if v is not None} for row in table["rows"]]
        samples = [sample_of(row, circular=True) for row in rows]
        assert result_of(samples, [row["prediction"] for row in table["rows"]]) == table["expected"]


@pytest.mark.parametrize(
    "run", [name for name, run in read_json(MMBENCH / "runs.json").items() if "mmbench_result.json" in run]
)
def test_results_equal_xtuner(run: str) -> None:
    golden = read_json(MMBENCH / "runs.json")[run]
    samples = read_samples(MMBENCH / golden["tsv"], circular=True)
    result = result_of(samples, golden["canned_answers"])
    assert result == golden["mmbench_result.json"]
    assert list(result) == list(golden["mmbench_result.json"])


def test_without_base_rows_the_average_is_nan() -> None:
    assert math.isnan(xtuner_result([])["Average"])


def result_of(samples: list[Sample], texts: list[str | None]) -> dict[str, Any]:
    groups = score_groups(*score_all(samples, texts, "xtuner"), "xtuner")
    result = xtuner_result([(g.base, g.value) for g in groups if g.value is not None])
    return {name: "NaN" if math.isnan(value) else value for name, value in result.items()}
