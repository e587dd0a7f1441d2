"""CV-Bench: counting and relations in two dimensions, depth and distance in three.

There is no TSV of it here: it is read from its authors' dataset. Their figure is the mean of 2D and 3D, and
2D is the mean of its two sources, ADE20K and COCO, whose questions are not equally many. They ask in a
wording of their own (the column `prompt`); vlmbench asks as in every other multiple choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.domain import Card, DataFile, Metric, RuleSet, Sample, Score

from .families.choice import MultipleChoice
from .families.figures import by_category, empty, linearised, metric, scored

COMBINED = "mean of 2D and 3D"
WEIGHTS = {"ADE20K": 0.25, "COCO": 0.25, "Omni3D": 0.5}
"""Of the accuracy on each source."""


@dataclass(frozen=True, slots=True)
class CVBench(MultipleChoice):
    """Multiple choice with its authors' mean over sources before the accuracy over rows."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The authors' figure, then accuracy over rows, by task and by source."""
        return [mean_of_sources(samples, scores), *MultipleChoice.metrics(self, samples, scores, rules)]


def mean_of_sources(samples: Sequence[Sample], scores: Sequence[Score]) -> Metric:
    """The weighted mean; empty unless there are rows of every source."""
    parts = by_category(scored(samples, scores), "l2-category")
    if not WEIGHTS.keys() <= parts.keys():
        return empty(COMBINED)
    means = {name: sum(row.value for row in parts[name]) / len(parts[name]) for name in WEIGHTS}
    rows = [(row, name) for name in WEIGHTS for row in parts[name]]
    effects = [WEIGHTS[name] * (row.value - means[name]) / len(parts[name]) for row, name in rows]
    value = sum(weight * means[name] for name, weight in WEIGHTS.items())
    return metric(COMBINED, linearised(value, effects, [row.draw for row, _ in rows]), rows=len(rows))


BENCHMARKS = (
    CVBench(
        Card(
            name="CV-Bench",
            measures="counting, relations, depth order and distance, on pictures with known geometry",
            family="multiple-choice",
            file=DataFile(
                name="CV-Bench.tsv",
                dataset="hf:nyu-visionx/CV-Bench@22409a927ab5cf68e3655023d51694587455fc99/test",
                columns={
                    "question": "question",
                    "options": "choices",
                    "answer": "answer",
                    "answer-is": "letter",
                    "images": "image",
                    "index": "idx",
                    "category": "task",
                    "l2-category": "source",
                },
            ),
            licence="Apache-2.0",
            source="Tong et al., from ADE20K, COCO and Omni3D",
            paper="https://arxiv.org/abs/2406.16860",
            splits=("test",),
            rows=2638,
            quoted="CV-Bench accuracy: the mean of 2D (the mean of ADE20K and COCO) and 3D (Omni3D)",
            record='{"idx": 0, "type": "2D", "task": "Count", "question": "How many cups are on the table?", '
            '"choices": ["2", "1"], "answer": "(B)", "source": "ADE20K", "image": …}',
        )
    ),
)
