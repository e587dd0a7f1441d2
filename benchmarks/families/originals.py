"""The authors' own evaluators with their figures: rows that are read one by one, or from stored judgments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from vlmbench.answers.judge import AWAITS_JUDGE
from vlmbench.answers.original import Reader, score_as_read, score_each
from vlmbench.domain import Metric, Response, Sample, Score

from .figures import Scored, empty, mean_figures, scored

Figures = Callable[[Sequence[Scored]], list[Metric]]


def accuracy(rows: Sequence[Scored]) -> list[Metric]:
    """The mean over all rows and by split."""
    return mean_figures(rows, (), "accuracy")


@dataclass(frozen=True, slots=True)
class RowByRow:
    """An evaluator that reads each answer alone."""

    reader: Reader
    figures: Figures = accuracy
    """The figures of the rows that have a value; there is at least one."""
    headline: str = "accuracy"
    unit: str = "fraction"
    """Of the headline, which has no value while a judgment is missing."""

    def scores(self, samples: Sequence[Sample], responses: Sequence[Response]) -> list[Score]:
        """What each answer is worth."""
        return score_each(samples, responses, self.reader)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score]) -> list[Metric]:
        """The script's figures; one empty figure while an answer waits for a judgment or none has a value."""
        rows = scored(samples, scores)
        waiting = any(score.value is None and score.reason == AWAITS_JUDGE for score in scores)
        return [empty(self.headline, unit=self.unit)] if waiting or not rows else self.figures(rows)


@dataclass(frozen=True, slots=True)
class FromJudgments(RowByRow):
    """An evaluator that needs a judgment of each answer: `judged` reads the judgment, `reader` the answer."""

    judged: Reader = field(kw_only=True)

    def score_judged(self, sample: Sample, judgment: str) -> Score:
        """What the answer is worth after a judgment."""
        return score_as_read(sample, self.judged(sample, judgment))
