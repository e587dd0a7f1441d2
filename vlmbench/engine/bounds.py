"""What the headline could be: every unparsed row wrong, or every one right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vlmbench.domain import Benchmark, RuleSet, Sample, Score


def bounds_of(
    benchmark: Benchmark, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet
) -> tuple[float, float] | None:
    """The headline at both ends; None when no row is left unparsed or there is no headline."""
    if not any(_unparsed(score) for score in scores):
        return None
    worst = [replace(score, value=0.0) if _unparsed(score) else score for score in scores]
    best = [
        replace(score, value=1.0, extracted=next(iter(sample.references), "")) if _unparsed(score) else score
        for sample, score in zip(samples, scores, strict=True)
    ]
    low, high = (benchmark.metrics(samples, way, rules)[0].value for way in (worst, best))
    return None if low is None or high is None else (low, high)


def _unparsed(score: Score) -> bool:
    """Scored although no answer was found: an error or a withheld reference has no value."""
    return score.extracted is None and score.value is not None
