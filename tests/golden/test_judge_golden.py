"""With a judge that always says the same: hits, tables and number of calls as in the original toolkit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from golden_cases import CHOICE_CASES, SCORING, read_json, read_lines

from vlmbench.answers.circular import score_groups
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.data.table import open_table
from vlmbench.domain import Response
from vlmbench.engine.judge_log import JudgeLog
from vlmbench.engine.judging import Judge
from vlmbench.engine.scoring import score_under_all
from vlmbench.models.echo import load_echo
from vlmbench.registry import load_benchmark

CASES = CHOICE_CASES | {
    "pope": "POPE",
    "mme": "MME",
    "hallusionbench": "HallusionBench",
}


@pytest.mark.parametrize("case", CASES)
def test_a_stub_judge_gives_that_toolkits_hits_table_and_calls(case: str, tmp_path: Path) -> None:
    expected = read_json(SCORING / case / "expected.json")["with_stub_judge"]
    benchmark: Any = load_benchmark(CASES[case])
    samples = tuple(benchmark.samples(open_table(SCORING / case / "data.tsv", home=tmp_path).rows()))
    lines = read_lines(SCORING / case / "predictions.jsonl")
    texts = {str(line["index"]): line["prediction"] or "" for line in lines}
    responses = {i: Response(id=i, text=text, finish="stop") for i, text in texts.items()}
    echo = load_echo(f"echo:{expected['judge_always_answers']}")
    judge = Judge(echo, JudgeLog(None, "echo", echo.facts), name="echo")

    scores, _ = score_under_all(benchmark, samples, responses, judge)

    found = scores["vlmevalkit"]
    if benchmark.card.circular:
        groups = score_groups(samples_as_read(samples, "vlmevalkit"), found, "vlmevalkit")
        hits = {g.base.id: g.value for g in groups}
    else:
        hits = {score.id: score.value for score in found}
    assert hits == expected["hits"]
    assert benchmark.vlmevalkit_records(samples, scores) == expected["metrics"]
    assert judge.tally().replies["vlmevalkit"] == expected["judge_calls"]
    assert not any(score.judged for score in scores["xtuner"])
