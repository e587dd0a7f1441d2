"""What comparing an open answer with its references found, and the score it amounts to.

The rule set `xtuner` has no rule for anything but multiple choice: the tool it stands for asks and
scores nothing else, and the tables of its authors took these columns from VLMEvalKit. A figure under
its name would be an invention, so such rows are not scored under it and its figures are empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlmbench.answers.references import members_of
from vlmbench.domain import Response, RuleSet, Sample, Score

NO_RULE: dict[RuleSet, str] = {
    "xtuner": "xtuner scores multiple choice only",
    "original": "no evaluator of its authors is here",
}
"""Why a rule set has nothing to say of an open answer. A benchmark with an evaluator of its authors' own does
not come here for `original` (see `original`)."""
NO_REFERENCE = "no reference answer"


@dataclass(frozen=True, slots=True)
class Matched:
    """An answer beside its references, in the form they were compared in."""

    references: tuple[str, ...]
    answer: str | None
    """None where there is nothing to compare: an empty answer, under `strict`."""
    match: tuple[float, ...]
    """One a reference. Of 0 to 1 and higher is better, except for edit distances."""
    value: float
    reason: str = ""


Match = Callable[[str, Sequence[str], RuleSet], Matched]
"""Compares an answer with its references under a rule set."""


def score_open(sample: Sample, response: Response, rules: RuleSet, match: Match) -> Score:
    """What an open answer is worth; an error or a withheld reference is not scored."""
    why_not = unscored(sample, response, rules)
    if why_not is not None:
        return score_of(sample, rules, None, None, why_not)
    found = match(response.text, accepted(sample), rules)
    return score_of(sample, rules, found.answer, found.value, found.reason)


def accepted(sample: Sample) -> tuple[str, ...]:
    """The accepted answers. Lists are read from the raw cell: pandas guesses no types for those."""
    return members_of(sample.cells.get("answer", "")) or sample.references


def unscored(sample: Sample, response: Response, rules: RuleSet) -> str | None:
    """Why there is nothing to score, if there is nothing."""
    if response.error or response.finish == "error":
        return response.error or "the request failed"
    if not sample.references:
        return NO_REFERENCE
    return NO_RULE.get(rules)


def score_of(sample: Sample, rules: RuleSet, found: str | None, value: float | None, reason: str) -> Score:
    """A score of this sample."""
    return Score(id=sample.id, group=sample.group, rules=rules, extracted=found, value=value, reason=reason)


def numpy_mean(values: Sequence[float]) -> float:
    """The mean to the last bit as the original toolkits print it: numpy adds in an order of its own."""
    import numpy as np

    return float(np.mean(values)) if len(values) else float("nan")
