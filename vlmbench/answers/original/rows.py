"""What the evaluators that read one answer at a time have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlmbench.answers.scores import NO_REFERENCE, score_of
from vlmbench.domain import Response, RuleSet, Sample, Score

RULES: RuleSet = "original"


@dataclass(frozen=True, slots=True)
class Reading:
    """What an evaluator makes of one answer."""

    found: str | None
    """The answer it parsed; None where it found none."""
    value: float | None
    reason: str = ""


Reader = Callable[[Sample, str], Reading]
"""Reads one answer beside its question. A withheld reference equals nothing."""


def failure_of(response: Response) -> str | None:
    """Why there is no answer to read, if there is none."""
    return response.error or ("the request failed" if response.finish == "error" else None)


def score_as_read(sample: Sample, reading: Reading) -> Score:
    """The score of one answer; no value where the reference is withheld."""
    if not sample.references:
        return score_of(sample, RULES, reading.found, None, NO_REFERENCE)
    return score_of(sample, RULES, reading.found, reading.value, reading.reason)


def read_each(reader: Reader) -> Callable[[Sequence[Sample], Sequence[Response]], list[Score]]:
    """An evaluator that looks at each answer alone; failed and missing answers are not scored."""

    def scores(samples: Sequence[Sample], responses: Sequence[Response]) -> list[Score]:
        return [_score(s, r, reader) for s, r in zip(samples, responses, strict=True)]

    return scores


def _score(sample: Sample, response: Response, reader: Reader) -> Score:
    failure = failure_of(response)
    if failure is not None:
        return score_of(sample, RULES, None, None, failure)
    return score_as_read(sample, reader(sample, response.text))
