"""Multiple choice: which option an answer names, and what that is worth, under each rule set."""

from __future__ import annotations

from collections.abc import Mapping

from vlmbench.answers import vlmevalkit, xtuner
from vlmbench.answers.found import Found
from vlmbench.answers.scores import NO_RULE
from vlmbench.domain import Response, RuleSet, Sample, Score

__all__ = ["Found", "find_choice", "score_choice"]


def find_choice(rules: RuleSet, answer: str, choices: Mapping[str, str]) -> Found:
    """The option `answer` names among `choices` (letter to text) under a rule set."""
    if rules == "strict":
        # Its patterns take 50 ms to compile, which `vlmbench list` has no use for.
        from vlmbench.answers import strict

        return strict.find(answer, choices)
    if rules == "xtuner":
        return xtuner.find(answer)
    if rules == "original":
        return Found(letter=None, reason=NO_RULE[rules])
    return vlmevalkit.find(rules, answer, choices)


def score_choice(sample: Sample, response: Response, rules: RuleSet) -> Score:
    """1 when the option named is the reference, else 0; an error or a withheld reference is not scored.

    Both arguments are what `rules` would have read (see `views`).
    """
    failure = response.error or ("the request failed" if response.finish == "error" else None)
    if failure is not None:
        return _score(sample, rules, None, None, failure)
    found = find_choice(rules, response.text, sample.choices)
    if not sample.references:
        return _score(sample, rules, found.letter, None, "no reference answer")
    value = None if rules == "original" else float(found.letter in sample.references)
    return _score(sample, rules, found.letter, value, found.reason)


def _score(sample: Sample, rules: RuleSet, letter: str | None, value: float | None, reason: str) -> Score:
    return Score(id=sample.id, group=sample.group, rules=rules, extracted=letter, value=value, reason=reason)
