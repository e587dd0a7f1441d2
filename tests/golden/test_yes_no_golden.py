"""Yes/no under the compatible rules equals what VLMEvalKit computed, exactly."""

from __future__ import annotations

import pytest
from golden_cases import SCORING, read_lines
from golden_families import GENERATIONS, case_of

from vlmbench.answers.yes_no import yes_or_no
from vlmbench.domain import RuleSet

FOLDERS = ("pope", "mme", "hallusionbench")


@pytest.mark.parametrize("rules", GENERATIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_rows_equal_vlmevalkit(folder: str, rules: RuleSet) -> None:
    case = case_of(folder)
    rows = {s.id: {"extracted": s.extracted or "Unknown", "hit": s.value} for s in case.scores[rules]}
    assert rows == case.expected["rows"]


@pytest.mark.parametrize("rules", GENERATIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_tables_equal_vlmevalkit(folder: str, rules: RuleSet) -> None:
    case = case_of(folder)
    table = case.table(rules)
    assert table == case.expected["metrics"]
    for line, expected in zip(table["records"], case.expected["metrics"]["records"], strict=True):
        assert list(line) == list(expected)


@pytest.mark.parametrize("folder", FOLDERS)
def test_prompts_equal_vlmevalkit(folder: str) -> None:
    case = case_of(folder)
    asked = {s.id: case.benchmark.request(s, "vlmevalkit").parts[-1] for s in case.samples}
    for prompt in case.expected["prompts"]:
        assert asked[str(prompt["index"])] == prompt["default"][-1]["value"]


@pytest.mark.parametrize("rules", GENERATIONS)
def test_single_answers_equal_vlmevalkit(rules: RuleSet) -> None:
    for line in read_lines(SCORING / "units" / "yes_no.jsonl"):
        assert (yes_or_no(line["answer"], rules) or "Unknown") == line["extracted"], line


@pytest.mark.parametrize("folder", FOLDERS)
def test_strict_only_adds_answers_that_the_original_could_not_read(folder: str) -> None:
    case = case_of(folder)
    for ours, theirs in zip(case.scores["strict"], case.scores["vlmevalkit"], strict=True):
        said = case.answers[ours.id]
        assert theirs.extracted in (ours.extracted, None) or "doubt" in said, said
