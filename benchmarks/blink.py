"""BLINK: fourteen things people see at a glance, many of them across two to four pictures.

All pictures come first, in order. The styles of the LLaVA wrappers that know one picture only
(`llava-xtuner`, see `vlmbench/prompts/`) show the first. VLMEvalKit's wrapper pastes them side by side
at a height of 512 for this one benchmark; that is not reproduced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.domain import Card, Metric, RuleSet, Sample, Score

from . import served
from .families.choice import MultipleChoice
from .families.figures import by_category, empty, linearised, metric, scored

MEAN = "mean of the tasks"


@dataclass(frozen=True, slots=True)
class Blink(MultipleChoice):
    """Multiple choice with the mean over tasks beside the accuracy over rows."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """Accuracy over rows, as VLMEvalKit's tables quote; the mean of the tasks, as BLINK's own do."""
        headline, *more = MultipleChoice.metrics(self, samples, scores, rules)
        return [headline, *more] if self.card.circular else [headline, mean_of_tasks(samples, scores), *more]


def mean_of_tasks(samples: Sequence[Sample], scores: Sequence[Score]) -> Metric:
    """Every task counts alike, however many questions it has."""
    tasks = by_category(scored(samples, scores))
    if not tasks:
        return empty(MEAN)
    means = {name: sum(row.value for row in part) / len(part) for name, part in tasks.items()}
    rows = [(row, name) for name, part in tasks.items() for row in part]
    effects = [(row.value - means[name]) / len(tasks[name]) / len(tasks) for row, name in rows]
    estimate = linearised(sum(means.values()) / len(means), effects, [row.draw for row, _ in rows])
    return metric(MEAN, estimate, rows=len(rows))


def _blink(name: str, md5: str, *, circular: bool = False) -> MultipleChoice:
    return Blink(
        Card(
            name=name,
            measures="fourteen kinds of perception at a glance, often across several pictures",
            family="multiple-choice",
            file=served(name, md5),
            licence="Apache-2.0",
            source="Fu et al.; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2404.12390",
            splits=("val",),
            # Of the 1,901 questions 924 have two options, 134 three and 843 four.
            rows=5622 if circular else 1901,
            groups=1901 if circular else None,
            circular=circular,
            quoted="circular accuracy over questions"
            if circular
            else "accuracy over rows (VLMEvalKit's Overall); BLINK's own table: mean of the fourteen tasks",
            record=(
                '{"index": 31, "question": "Which picture is the missing corner?", '
                '"A": "the first image", "B": "the second image", "answer": "A", "category": "Jigsaw", '
                "\"image\": \"['/9j/4A…', '/9j/4A…']\"}"
            ),
        )
    )


BENCHMARKS = (
    _blink("BLINK", "d5e8af148b10ac69f535ff7b23f3f989"),
    _blink("BLINK_circular", "f44c9f19afda14262cd1e0731bd01f9e", circular=True),
)
