"""Short answers under the compatible rules equal what VLMEvalKit computed, exactly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from golden_cases import SCORING, read_lines
from golden_families import GENERATIONS, case_of

from vlmbench.answers.scores import Match, Matched, accepted, numpy_mean
from vlmbench.answers.short import match_anls, match_exact, match_relaxed
from vlmbench.answers.toolkits import answers_as_read, samples_as_read
from vlmbench.answers.vqa import match_consensus, normalise, without_punctuation
from vlmbench.domain import RuleSet

UNITS = SCORING / "units"
MATCHES: dict[str, Match] = {
    "gqa": match_exact,
    "textvqa": match_consensus,
    "chartqa": match_relaxed,
    "docvqa": match_anls,
}
GENERATION_AND_FOLDER = [
    (rules, folder)
    for folder in (*MATCHES, "ocrbench")
    for rules in GENERATIONS
    # The golden run is of 2026; ChartQA's rule was another until 2025-09-01, TextVQA's until 2025-05-13.
    if (folder != "chartqa" or rules == "vlmevalkit") and (folder != "textvqa" or rules != "vlmevalkit-2024")
]


def matched(folder: str, rules: RuleSet) -> dict[str, Matched]:
    case = case_of(folder)
    seen = samples_as_read(case.samples, rules)
    texts = answers_as_read([case.answers[s.id] for s in seen], rules)
    return {s.id: MATCHES[folder](text, accepted(s), rules) for s, text in zip(seen, texts, strict=True)}


def as_golden(found: Matched) -> dict[str, Any]:
    """Golden values have nine decimals."""
    return {
        "gt": list(found.references),
        "pred": found.answer,
        "match": [round(value, 9) for value in found.match],
        "mean_match": round(numpy_mean(found.match), 9),
    }


@pytest.mark.parametrize("folder", MATCHES)
def test_rows_equal_vlmevalkit(folder: str) -> None:
    for index, found in matched(folder, "vlmevalkit").items():
        expected = dict(case_of(folder).expected["rows"][index])
        expected["gt"] = [str(member) for member in expected["gt"]]
        assert as_golden(found) == expected, index


@pytest.mark.parametrize(("rules", "folder"), GENERATION_AND_FOLDER)
def test_tables_equal_vlmevalkit(rules: RuleSet, folder: str) -> None:
    case = case_of(folder)
    assert case.table(rules) == case.expected["metrics"]


@pytest.mark.parametrize("folder", [*MATCHES, "ocrbench"])
def test_prompts_equal_vlmevalkit(folder: str) -> None:
    case = case_of(folder)
    asked = {s.id: case.benchmark.request(s, "vlmevalkit").parts[-1] for s in case.samples}
    for prompt in case.expected["prompts"]:
        assert asked[str(prompt["index"])] == prompt["default"][-1]["value"]


@pytest.mark.parametrize("rules", GENERATIONS)
def test_edit_distances_equal_vlmevalkit(rules: RuleSet) -> None:
    for line in read_lines(UNITS / "anls.jsonl"):
        found = match_anls(line["prediction"], [line["reference"]], rules)
        assert (found.match[0], found.value) == (line["normalised_distance"], line["score"]), line


def test_relaxed_numbers_equal_vlmevalkit() -> None:
    for line in read_lines(UNITS / "relaxed_accuracy.jsonl"):
        found = match_relaxed(line["prediction"], [line["reference"]], "vlmevalkit")
        assert found.value == line["hit"], line


def test_normalisation_equals_vlmevalkit() -> None:
    for line in read_lines(UNITS / "vqa_normalisation.jsonl"):
        assert normalise(line["text"]) == line["normalised"], line
        assert without_punctuation(line["text"]) == line["punctuation_only"], line


def test_normalisation_equals_vlmevalkit_of_2024() -> None:
    for line in read_lines(UNITS / "vqa_normalisation_2024.jsonl"):
        assert normalise(line["text"], as_in_2024=True) == line["normalised"], line
        assert without_punctuation(line["text"], as_in_2024=True) == line["punctuation_only"], line


def test_textvqa_equals_vlmevalkit_of_2024() -> None:
    expected = json.loads((SCORING / "textvqa" / "expected_2024.json").read_text("utf-8"))
    for index, found in matched("textvqa", "vlmevalkit-2024").items():
        row = as_golden(found)
        assert {"pred": row["pred"], "mean_match": row["mean_match"]} == expected["rows"][index], index
    (record,) = case_of("textvqa").table("vlmevalkit-2024")["records"]  # type: ignore[index]
    assert record["Overall"] == expected["Overall"]
