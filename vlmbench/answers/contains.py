"""OCRBench: right when a reference stands somewhere in the answer.

VLMEvalKit's three generations share one rule. It finds `3` in `page 13`, and an empty reference in
anything; `strict` wants whole words and looks past white space of any kind.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vlmbench.answers.scores import Matched
from vlmbench.answers.wording import is_letter_of_word, plain
from vlmbench.domain import RuleSet

_SPACE = re.compile(r"\s+")


def match_contained(
    answer: str, references: Sequence[str], rules: RuleSet, *, formula: bool = False
) -> Matched:
    """Any reference is enough. In formulas case counts and blanks do not."""
    if rules == "strict":
        return _strict(answer, references, formula)
    read = _formula if formula else _line
    said = read(answer)
    gold = tuple(map(read, references))
    match = tuple(float(reference in said) for reference in gold)
    return Matched(gold, said, match, max(match, default=0.0))


def _strict(answer: str, references: Sequence[str], formula: bool) -> Matched:
    said = _SPACE.sub("", answer) if formula else _SPACE.sub(" ", plain(answer)).lower()
    gold = tuple(
        _SPACE.sub("", reference) if formula else _SPACE.sub(" ", plain(reference)).lower()
        for reference in references
    )
    inside = _inside if formula else _as_words
    match = tuple(float(inside(reference, said)) for reference in gold)
    return Matched(gold, said or None, match, max(match, default=0.0), "" if said else "empty answer")


def _inside(reference: str, said: str) -> bool:
    return bool(reference) and reference in said


def _as_words(reference: str, said: str) -> bool:
    """Whether the reference stands in the text without being part of a longer word or number."""
    start = said.find(reference) if reference else -1
    while start >= 0:
        end = start + len(reference)
        if not (_glued(said, start) or _glued(said, end)):
            return True
        start = said.find(reference, start + 1)
    return False


def _glued(text: str, place: int) -> bool:
    """Whether a word runs on over this place."""
    around = text[max(0, place - 1) : place + 1]
    return 0 < place < len(text) and all(map(is_letter_of_word, around))


def _line(text: str) -> str:
    return text.lower().strip().replace("\n", " ")


def _formula(text: str) -> str:
    return text.strip().replace("\n", "").replace(" ", "")
