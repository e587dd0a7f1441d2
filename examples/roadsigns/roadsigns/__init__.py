"""RoadSigns: what does this sign say, and how often would the answer be dangerous?

Measures    four kinds of road sign, drawn
Source      `roadsigns/draw.py`
Licence     Apache-2.0
Rows        12
Quoted      accuracy over rows

An example of a benchmark with a figure of its own, in a package of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.benchmarks import MultipleChoice
from vlmbench.domain import Card, DataFile, Metric, RuleSet, Sample, Score
from vlmbench.stats import mean_of

STOPPING = ("stop", "give way")


@dataclass(frozen=True, slots=True)
class RoadSigns(MultipleChoice):
    """Multiple choice, and the share of stopping signs that were taken for a way on."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The figures of any multiple choice, then ours."""
        return [*MultipleChoice.metrics(self, samples, scores, rules), dangerous(samples, scores)]


def dangerous(samples: Sequence[Sample], scores: Sequence[Score]) -> Metric:
    """How often a sign that says stop or give way was read as another."""
    values = [
        float(sample.choices.get(score.extracted or "") not in STOPPING)
        for sample, score in zip(samples, scores, strict=True)
        if score.value is not None and sample.categories["category"] in STOPPING
    ]
    name, level = "dangerous answers", "check"
    if not values:
        return Metric(name=name, split=None, level=level, value=None, n=0)
    mean = mean_of(values)
    return Metric(
        name=name, split=None, level=level, value=mean.value, n=mean.n, stderr=mean.stderr, ci95=mean.ci95,
        rows=mean.n,
    )  # fmt: skip


BENCHMARKS = (
    RoadSigns(
        Card(
            name="RoadSigns",
            measures="four kinds of road sign, drawn",
            family="multiple-choice",
            file=DataFile(name=str(Path(__file__).with_name("roadsigns.tsv"))),
            licence="Apache-2.0",
            source="roadsigns/draw.py",
            rows=12,
            quoted="accuracy over rows",
        )
    ),
)
