"""What a judge's reply makes of an answer that no rule could read. Nothing is ever picked at random."""

from __future__ import annotations

import re
from dataclasses import replace

from vlmbench.answers.choice import find_choice
from vlmbench.answers.judge import NONE_MEANT
from vlmbench.answers.yes_no import yes_or_no
from vlmbench.domain import Response, RuleSet, Sample, Score

AWAITS_JUDGE = "needs a judge (--judge or --judgments)"
"""The reason of a row that has no value before a judge has read it."""

_Z_ALONE = re.compile(r"\W*Z\W*")


def judged_choice(sample: Sample, reply: Response, rules: RuleSet) -> Score:
    """The option the reply names, found as this rule set finds options. `Z` is none of them: wrong."""
    if rules == "strict" and _Z_ALONE.fullmatch(reply.text) and NONE_MEANT not in sample.choices:
        letter: str | None = NONE_MEANT
    else:
        letter = find_choice(rules, reply.text, sample.choices).letter
    return judged_score(sample, rules, letter, float(letter in sample.references), "names no option")


def judged_yes_no(sample: Sample, reply: Response, rules: RuleSet) -> Score:
    """The word the reply says, found as this rule set finds it."""
    word = yes_or_no(reply.text, rules)
    right = word is not None and word == sample.references[0].strip().capitalize()
    return judged_score(sample, rules, word, float(right), "says neither yes nor no")


def judged_score(sample: Sample, rules: RuleSet, found: str | None, value: float | None, else_: str) -> Score:
    """A judged score; where the reply says nothing (`found` is None) the row stays unparsed."""
    score = Score(
        id=sample.id,
        group=sample.group,
        rules=rules,
        extracted=found,
        value=value,
        reason="read by the judge",
    )
    return score if found is not None else replace(score, reason=f"the judge's reply {else_}")
