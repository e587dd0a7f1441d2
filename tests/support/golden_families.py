"""Golden cases of the open families, scored by the product from file to figures."""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from golden_cases import SCORING, read_json, read_lines

from vlmbench.data.table import open_table
from vlmbench.domain import Benchmark, Response, RuleSet, Sample, Score
from vlmbench.engine.scoring import score_under_all
from vlmbench.registry import load_benchmark

NAMES = {
    "pope": "POPE",
    "mme": "MME",
    "hallusionbench": "HallusionBench",
    "gqa": "GQA_TestDev_Balanced",
    "textvqa": "TextVQA_VAL",
    "chartqa": "ChartQA_TEST",
    "docvqa": "DocVQA_VAL",
    "ocrbench": "OCRBench",
}
GENERATIONS: tuple[RuleSet, ...] = ("vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024")


@dataclass(frozen=True, slots=True)
class Case:
    """A golden folder and what the product makes of it."""

    benchmark: Benchmark
    expected: dict[str, Any]
    samples: tuple[Sample, ...]
    answers: dict[str, str]
    scores: dict[RuleSet, tuple[Score, ...]]

    def table(self, rules: RuleSet) -> object:
        return self.benchmark.vlmevalkit_records(self.samples, self.scores, rules)  # type: ignore[attr-defined]


@functools.cache
def case_of(folder: str) -> Case:
    benchmark = load_benchmark(NAMES[folder])
    with tempfile.TemporaryDirectory() as home:
        rows = list(open_table(SCORING / folder / "data.tsv", home=Path(home)).rows())
    samples = tuple(benchmark.samples(rows))
    lines = read_lines(SCORING / folder / "predictions.jsonl")
    # A null stands for a model that returned nothing, as it does for `vlmbench score`.
    answers = {str(line["index"]): line["prediction"] or "" for line in lines}
    responses = {s.id: Response(id=s.id, text=answers[s.id], finish="stop") for s in samples}
    scores, _ = score_under_all(benchmark, samples, responses)
    return Case(benchmark, read_json(SCORING / folder / "expected.json"), samples, answers, scores)
