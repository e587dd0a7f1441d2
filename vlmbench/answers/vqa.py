"""The VQA rule (TextVQA, and any short answers with several references): normalise, then ask for consensus.

An answer is worth as much as there are people who gave it: three make it fully right. Each reference
in turn is left out, the answer is compared with the others, and the values are averaged.

VLMEvalKit's three generations share one form of it. `strict` mends what an answer's writer could not
foresee; `docs/rules-open.md` lists the differences case by case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

from vlmbench.answers.contractions import AS_VLMEVALKIT, MENDED
from vlmbench.answers.punctuation import MARKS, without_punctuation
from vlmbench.answers.scores import Matched, numpy_mean
from vlmbench.answers.wording import plain
from vlmbench.domain import RuleSet

ARTICLES = frozenset(("a", "an", "the"))
NUMBERS = {
    word: str(number)
    for number, word in enumerate(
        ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    )
} | {"none": "0"}
ENOUGH = 3
"""So many people who agree make an answer fully right."""

_BLANKS = str.maketrans("\n\t", "  ")
_GROUPING = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_STOP = re.compile(r"\.(?!\d)")
_MARKS_TO_BLANKS = str.maketrans(dict.fromkeys(MARKS, " "))


def match_consensus(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """The leave-one-out consensus score."""
    normalise = normaliser(rules)
    said = normalise(answer)
    gold = tuple(normalise(reference) for reference in references)
    if rules == "strict":
        return _consensus(said, gold, enough=max(1, min(ENOUGH, len(gold) - 1)), alone=len(gold) == 1)
    agree = [reference == said for reference in gold]
    match = tuple(min(1.0, (sum(agree) - one) / ENOUGH) for one in agree)
    return Matched(gold, said, match, _mean(match))


def match_equal(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """Right when the normalised answer is one of the normalised references."""
    normalise = normaliser(rules)
    said = normalise(answer)
    gold = tuple(normalise(reference) for reference in references)
    match = tuple(float(bool(said) and reference == said) for reference in gold)
    return Matched(gold, said or None, match, max(match, default=0.0))


def normaliser(rules: RuleSet) -> Callable[[str], str]:
    """The rule set's way of bringing an answer into a form that can be compared."""
    if rules == "strict":
        return normalise_strict
    return partial(normalise, as_in_2024=True) if rules == "vlmevalkit-2024" else normalise


@lru_cache(maxsize=1 << 16)
def normalise(text: str, *, as_in_2024: bool = False) -> str:
    """As VLMEvalKit: punctuation, small letters, number words, articles, contractions; in this order."""
    words = without_punctuation(text.translate(_BLANKS).strip(), as_in_2024=as_in_2024).lower().split()
    words = [NUMBERS.get(word, word) for word in words]
    return " ".join(AS_VLMEVALKIT.get(word, word) for word in words if word not in ARTICLES)


@lru_cache(maxsize=1 << 16)
def normalise_strict(text: str) -> str:
    """The same aims without the faults; empty where nothing is said."""
    text = _GROUPING.sub("", plain(text).lower()) if "," in text or "，" in text else plain(text).lower()
    words = [word.strip("'*:") for word in _STOP.sub("", text).translate(_MARKS_TO_BLANKS).split()]
    words = [NUMBERS.get(word, word) for word in words if word]
    bare = [word for word in words if word not in ARTICLES] or words
    return " ".join(MENDED.get(word, word) for word in bare)


_mean = lru_cache(maxsize=4096)(numpy_mean)
"""Few patterns of agreement occur, each thousands of times."""


def _consensus(said: str, gold: tuple[str, ...], *, enough: int, alone: bool) -> Matched:
    if not said:
        return Matched(gold, None, (0.0,) * len(gold), 0.0, "empty answer")
    agree = [reference == said for reference in gold]
    if alone:
        match = tuple(map(float, agree))
    else:
        match = tuple(min(1.0, (sum(agree) - one) / enough) for one in agree)
    return Matched(gold, said, match, sum(match) / max(1, len(match)))
