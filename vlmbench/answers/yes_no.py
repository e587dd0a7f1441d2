"""Yes or no: which of the two an answer means, under each rule set.

VLMEvalKit's three generations share one rule, and `xtuner` has none (see `scores`). That rule looks
for the bare words after its punctuation routine, which leaves colons, quotes, asterisks and every
full-width mark standing, so `**Yes**`, `Answer:Yes` and `Yes。` are neither to it.

`strict` reads those, short affirmations, and Chinese; a word that is only quoted does not count, and the word
that an answer begins with wins over `no` in a description. An answer with both words otherwise, or
neither, stays undecided under every rule set. `docs/rules-open.md` lists the differences case by case.
"""

from __future__ import annotations

import re
from functools import lru_cache

from vlmbench.answers.scores import score_of, unscored
from vlmbench.answers.vqa import without_punctuation
from vlmbench.answers.wording import plain
from vlmbench.domain import Response, RuleSet, Sample, Score

YES, NO = "Yes", "No"
OPPOSITE = {YES: NO, NO: YES}

_LETTERS = r"[^\W_\u2e80-\uffff]+"
_WORD = re.compile(rf"{_LETTERS}(?:['-]{_LETTERS})*")
"""Chinese runs on without blanks and is read apart; `no-one` is one word."""
_ECHO = re.compile(
    r"\byes (?:or|and/or) no\b|\byes ?/ ?no\b|\bno doubts?\b|是或否|是或者否|是还是否|是/否|有没有|是不是"
)
"""The question's own wording given back, and `no doubt`: these are neither."""

_QUOTED = re.compile(r"(\banswer(?: is)?:? ?)?(?<![\w\"'])(?:\"[^\"\n]{1,300}(?:\"|$)|'[^'\n]{1,300}'(?!\w))")
_STATED = re.compile(
    r"(?:^[\"'(*_`]*|\banswer(?: is)?:? ?[\"'(*_`]*)"
    r"(?:(yes)\b(?!-)|(no)(?=[\"')*_`]*(?:$|[,.;:!\n]| -"
    r"| (?:there|it|this|that|they|the|he|she|i|we|because)\b)))"
)
"""The word that an answer begins with or announces; `no people` announces nothing."""
_OTHER_CLAUSE = re.compile(r"(?:^|[,.;:!?\n]) ?(?:no ?(?=$|[,.;:!?\n])|wait\b|actually\b)|\bnot yes\b")
_SHORT = {"yeah": YES, "yep": YES, "yup": YES, "y": YES, "nope": NO, "n": NO}
"""Understood where they are the whole answer."""

_CLAUSE_END = re.compile(r"[,.;:!?\n()\[\]\"']+")
_LEAD = re.compile(r"^(?:我的)?(?:答案|回答|答)(?:应该|应)?(?:是|为)?$")
_CHINESE_LEAD = re.compile(r"^(?:我的)?(?:答案|回答|答)(?:应该|应)?(?:是|为)(?=.)")
_CHINESE = {
    **dict.fromkeys(("是", "是的", "有", "有的", "对", "对的", "没错"), YES),
    **dict.fromkeys(("否", "不", "不是", "不是的", "没有", "没", "不对", "并非", "无"), NO),
}
"""Understood where they are a whole clause: `没有狗` within a sentence is a description, not an answer."""


def score_yes_no(sample: Sample, response: Response, rules: RuleSet, *, fold_case: bool = False) -> Score:
    """1 when the word found is the reference, else 0; an error or a withheld reference is not scored.

    The compatible rules want `Yes` and `No` written so in the file, unless `fold_case` is set.
    """
    why_not = unscored(sample, response, rules)
    if why_not is not None:
        return score_of(sample, rules, None, None, why_not)
    word = yes_or_no(response.text, rules)
    reference = sample.references[0]
    if rules == "strict" or fold_case:
        reference = reference.strip().capitalize()
    return score_of(sample, rules, word, float(word == reference), "" if word else "neither yes nor no alone")


def yes_or_no(answer: str, rules: RuleSet) -> str | None:
    """`Yes`, `No`, or None where the answer has neither or both."""
    return _strict(answer) if rules == "strict" else _vlmevalkit(answer)


@lru_cache(maxsize=1 << 14)
def _vlmevalkit(answer: str) -> str | None:
    words = without_punctuation(answer.lower()).split()
    return _one_of("yes" in words, "no" in words)


@lru_cache(maxsize=1 << 14)
def _strict(answer: str) -> str | None:
    text = plain(answer).lower()
    bare = text.strip(" .!\"'()*_`")
    if bare in _SHORT:
        return _SHORT[bare]
    text = _ECHO.sub(" ", _without_quotations(text))
    if (stated := _stated(text)) is not None:
        return stated
    words = set(_WORD.findall(text))
    clauses = (
        {_CHINESE[clause] for clause in _clauses(text) if clause in _CHINESE} if not text.isascii() else set()
    )
    return _one_of("yes" in words or YES in clauses, "no" in words or NO in clauses)


def _without_quotations(text: str) -> str:
    """Without what is quoted, unless that is all of the answer or announced as the answer."""
    bare = _QUOTED.sub(lambda quoted: quoted[0] if quoted[1] else " ", text)
    return bare if bare.strip(" .!()*_`") else text


def _stated(text: str) -> str | None:
    """What the answer begins with or announces, if nothing in it says the other as plainly."""
    stated = {YES if found[1] else NO for found in _STATED.finditer(text)}
    if stated == {YES}:
        return None if _OTHER_CLAUSE.search(text) else YES
    return NO if stated == {NO} and "yes" not in _WORD.findall(text) else None


def _clauses(text: str) -> list[str]:
    """The parts between marks, without `答案是` before them."""
    parts = [part.strip(" *_`#>-") for part in _CLAUSE_END.split(text)]
    return [_CHINESE_LEAD.sub("", part) for part in parts if part and not _LEAD.match(part)]


def _one_of(yes: bool, no: bool) -> str | None:
    if yes == no:
        return None
    return YES if yes else NO
