"""Headlines that are no mean of their rows: F1, MME's points, the mean of HallusionBench's three.

Their benchmark says how much each draw (a picture with its questions) moves them. A draw's share is the
headline and as much more as it moves it, times the number of draws: the mean of the shares is the headline,
and a paired test of two runs' shares is one of their headlines, by the delta method.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence

from vlmbench.answers.original import figures_under
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Metric, RuleSet
from vlmbench.finished import FinishedRun, Questions


def headline_of(
    run: FinishedRun, rules: RuleSet, questions: Questions, only: Collection[str] | None = None
) -> Metric | None:
    """The run's headline, of the rows in `only`, computed again; None where that cannot be done here."""
    if questions.benchmark is None:
        return None
    scores = {score.id: score for score in run.scores[rules] if only is None or score.id in only}
    samples = [sample for sample in samples_as_read(questions.samples, rules) if sample.id in scores]
    if len(samples) != len(scores):
        return None
    try:
        figures = figures_under(questions.benchmark, samples, [scores[s.id] for s in samples], rules)
    except (LookupError, TypeError, ValueError):
        # The run's own table need not have every column that a benchmark counts by.
        if questions.images is not None:
            raise
        return None
    return figures[0]


def draws_of(metrics: Sequence[Metric]) -> list[Hashable]:
    """Everything that moves one of them, in order."""
    return list(dict.fromkeys(draw for metric in metrics for draw in metric.moves or ()))


def shares(metric: Metric, draws: Sequence[Hashable]) -> list[float]:
    """Each draw's share; a draw that does not move it has the headline itself."""
    moves: Mapping[Hashable, float] = metric.moves or {}
    return [(metric.value or 0.0) + len(draws) * moves.get(draw, 0.0) for draw in draws]


def is_near(one: float, other: float) -> bool:
    """Equal but for rounding."""
    return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
