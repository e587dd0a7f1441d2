"""Stored hits of VLMEvalKit: under its rules, our groups and rows are what it stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from golden_cases import CHOICE_CASES, GOLDEN, SCORING, read_json, read_lines

from vlmbench.answers.circular import score_groups
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.data.table import open_table
from vlmbench.domain import Benchmark, Response, Row, RuleSet, Sample, Score
from vlmbench.engine.scoring import score_under_all
from vlmbench.predictions.judgments import read_judgments
from vlmbench.registry import load_benchmark

HITS = read_json(GOLDEN / "judgments" / "vlmevalkit_hits.json")
YES_NO = {"pope": "POPE", "mme": "MME", "hallusionbench": "HallusionBench"}

Scores = dict[RuleSet, tuple[Score, ...]]


def scored(benchmark: Benchmark, samples: list[Sample], texts: dict[str, str], file: Path) -> Scores:
    """Every score with the judgments of a file."""
    judgments = read_judgments(file, samples, benchmark.card, lambda: (), texts, partly=False)
    responses = {i: Response(id=i, text=text, finish="stop") for i, text in texts.items()}
    scores, _ = score_under_all(benchmark, samples, responses, judgments=judgments)
    return scores


def units(benchmark: Benchmark, samples: list[Sample], scores: Scores, rules: RuleSet) -> dict[str, Any]:
    """The values of questions: of groups where they are asked in circles."""
    if not benchmark.card.circular:
        return {score.id: score.value for score in scores[rules]}
    groups = score_groups(samples_as_read(samples, rules), scores[rules], rules)
    return {group.base.id: group.value for group in groups}


@pytest.mark.parametrize("kind", ["circular", "vanilla"])
def test_hits_with_logs_equal_what_was_stored(kind: str, tmp_path: Path) -> None:
    case = HITS[kind]
    benchmark = load_benchmark(case["benchmark"])
    samples = list(benchmark.samples([Row(index=c["index"], cells=c) for c in case["data"]]))
    file = tmp_path / "model_judge_result.json"
    file.write_text(json.dumps(case["records"]), "utf-8")
    scores = scored(benchmark, samples, case["predictions"], file)
    stored = {str(record["index"]): float(record["hit"]) for record in case["records"]}
    assert units(benchmark, samples, scores, "vlmevalkit") == stored


def test_strict_reads_the_judges_words_and_no_draw(tmp_path: Path) -> None:
    case = HITS["vanilla"]
    benchmark = load_benchmark(case["benchmark"])
    samples = list(benchmark.samples([Row(index=c["index"], cells=c) for c in case["data"]]))
    file = tmp_path / "model_judge_result.json"
    file.write_text(json.dumps(case["records"]), "utf-8")
    strict = {s.id: s for s in scored(benchmark, samples, case["predictions"], file)["strict"]}
    drawn = {str(r["index"]) for r in case["records"] if "randomly generate" in r["log"]}
    assert drawn
    assert all(strict[i].extracted is None for i in drawn)
    logs = {str(r["index"]): r["log"] for r in case["records"]}
    judged = [s for s in strict.values() if s.judged]
    assert judged
    assert all(s.extracted is not None and s.extracted in logs[s.id] for s in judged)


@pytest.mark.parametrize("case", CHOICE_CASES)
def test_hits_alone_equal_what_was_stored(case: str, tmp_path: Path) -> None:
    """Files without a log; a stub judge had read the answers."""
    expected = read_json(SCORING / case / "expected.json")["with_stub_judge"]
    benchmark: Any = load_benchmark(CHOICE_CASES[case])
    samples = list(benchmark.samples(open_table(SCORING / case / "data.tsv", home=tmp_path).rows()))
    lines = read_lines(SCORING / case / "predictions.jsonl")
    texts = {str(line["index"]): line["prediction"] or "" for line in lines}
    file = tmp_path / "hits.json"
    file.write_text(json.dumps([{"index": i, "hit": hit} for i, hit in expected["hits"].items()]), "utf-8")
    scores = scored(benchmark, samples, texts, file)
    assert units(benchmark, samples, scores, "vlmevalkit") == expected["hits"]
    assert benchmark.vlmevalkit_records(samples, scores) == expected["metrics"]


@pytest.mark.parametrize("case", YES_NO)
def test_extracted_words_give_that_toolkits_table(case: str, tmp_path: Path) -> None:
    golden = read_json(SCORING / case / "expected.json")
    always = golden["with_stub_judge"]["judge_always_answers"]
    benchmark: Any = load_benchmark(YES_NO[case])
    samples = list(benchmark.samples(open_table(SCORING / case / "data.tsv", home=tmp_path).rows()))
    lines = read_lines(SCORING / case / "predictions.jsonl")
    texts = {str(line["index"]): line["prediction"] or "" for line in lines}
    words = {i: row["extracted"] for i, row in golden["rows"].items()}
    file = tmp_path / "auxmatch.json"
    records = [{"index": i, "extracted": always if word == "Unknown" else word} for i, word in words.items()]
    file.write_text(json.dumps(records), "utf-8")
    judgments = read_judgments(file, samples, benchmark.card, lambda: (), texts, partly=True)
    responses = {i: Response(id=i, text=text, finish="stop") for i, text in texts.items()}
    scores, _ = score_under_all(benchmark, samples, responses, judgments=judgments)
    assert benchmark.vlmevalkit_records(samples, scores) == golden["with_stub_judge"]["metrics"]
