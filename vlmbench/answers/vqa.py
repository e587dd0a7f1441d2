"""The VQA rule (TextVQA, and any short answers with several references): normalise, then ask for consensus.

An answer is worth as much as there are people who gave it: three make it fully right. Each reference
in turn is left out, the answer is compared with the others, and the values are averaged.

VLMEvalKit's three generations share one form of it, with two parts that descend from the VQA challenge:

* its punctuation routine, which its rule for yes and no shares (`without_punctuation`);
* spellings that lack an apostrophe, restored from a table. That table is derived here: every contraction
  stands in it once for each apostrophe it can lose. Three of its entries are slips, kept under the compatible
  rules: keys with a capital (never reached, the text is in small letters by then), two that lack the spelling
  without apostrophe, and one written the wrong way round.

`strict` mends what an answer's writer could not foresee; `docs/rules-open.md` lists the differences case by
case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

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
MARKS = frozenset(';/[]"{}()=+\\_-><@`,?!')
MOST_STOPS = 32

_BLANKS = str.maketrans("\n\t", "  ")
_MARKS_TO_BLANKS = str.maketrans(dict.fromkeys(MARKS, " "))
_GROUPING = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_GROUPED_NUMBER = re.compile(r"\d,\d")
_STOP = re.compile(r"\.(?!\d)")
_FREE_STOP = re.compile(r"(?<!\d)\.(?!\d)")

_CONTRACTIONS = """
ain't aren't can't could've couldn't didn't doesn't don't hadn't hasn't haven't he'd he's how'd how'll how's
isn't it'd it'll ma'am might've mightn't must've mustn't needn't not've o'clock oughtn't shan't should've
shouldn't somebody'll somebody's someone'd someone'll someone's something'd something'll that's there'd
there're there's they'd they'll they're they've 'twas wasn't we've weren't what'll what're what's what've
when's where'd where's where've who'd who'll who's who've why'll why're why's won't would've wouldn't y'all
you'd you'll you're you've
couldn't've hadn't've he'd've it'd've mightn't've 'ow's'at she'd've shouldn't've somebody'd've someone'd've
something'd've there'd've they'd've we'd've who'd've wouldn't've y'all'll y'all'd've you'd've
"""
_SLIP = {"somebody'd": "somebodyd"}
_MENDED = "i'm i've i'd've let's she's somebody'd"


def _one_apostrophe_lost(words: str) -> dict[str, str]:
    """Each of the words, by every spelling that lacks one of its apostrophes."""
    return {
        word[:place] + word[place + 1 :]: word
        for word in words.split()
        for place, char in enumerate(word)
        if char == "'"
    }


_AS_VLMEVALKIT = _one_apostrophe_lost(_CONTRACTIONS) | _SLIP
_AS_MENDED = _one_apostrophe_lost(_CONTRACTIONS + _MENDED)


def match_consensus(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """The leave-one-out consensus score."""
    normalise = normaliser(rules)
    given = normalise(answer)
    gold = tuple(normalise(reference) for reference in references)
    if rules == "strict":
        return _consensus(given, gold, enough=max(1, min(ENOUGH, len(gold) - 1)), alone=len(gold) == 1)
    agree = [reference == given for reference in gold]
    match = tuple(min(1.0, (sum(agree) - one) / ENOUGH) for one in agree)
    return Matched(gold, given, match, _mean(match))


def match_equal(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """Right when the normalised answer is one of the normalised references."""
    normalise = normaliser(rules)
    given = normalise(answer)
    gold = tuple(normalise(reference) for reference in references)
    match = tuple(float(bool(given) and reference == given) for reference in gold)
    return Matched(gold, given or None, match, max(match, default=0.0))


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
    return " ".join(_AS_VLMEVALKIT.get(word, word) for word in words if word not in ARTICLES)


@lru_cache(maxsize=1 << 16)
def normalise_strict(text: str) -> str:
    """The same aims without the faults; empty where the answer has no words."""
    text = _GROUPING.sub("", plain(text).lower()) if "," in text or "，" in text else plain(text).lower()
    words = [word.strip("'*:") for word in _STOP.sub("", text).translate(_MARKS_TO_BLANKS).split()]
    words = [NUMBERS.get(word, word) for word in words if word]
    bare = [word for word in words if word not in ARTICLES] or words
    return " ".join(_AS_MENDED.get(word, word) for word in bare)


_mean = lru_cache(maxsize=4096)(numpy_mean)
"""Few patterns of agreement occur, each thousands of times."""


def _consensus(given: str, gold: tuple[str, ...], *, enough: int, alone: bool) -> Matched:
    if not given:
        return Matched(gold, None, (0.0,) * len(gold), 0.0, "empty answer")
    agree = [reference == given for reference in gold]
    if alone:
        match = tuple(map(float, agree))
    else:
        match = tuple(min(1.0, (sum(agree) - one) / enough) for one in agree)
    return Matched(gold, given, match, sum(match) / max(1, len(match)))


@lru_cache(maxsize=1 << 15)
def without_punctuation(text: str, *, as_in_2024: bool = False) -> str:
    """The text as VLMEvalKit's VQA and yes/no rules see it, faults included.

    Each mark is deleted where it stands next to a blank anywhere in the text and becomes a blank otherwise;
    one number such as `1,000` makes every mark be deleted. Full stops that touch no digit are deleted, 32 of
    them at most: a flag's number is passed as a count there. Until 2025-05-13 (`as_in_2024`) those after a
    digit were deleted too, unless another digit followed.
    """
    marks = MARKS.intersection(text)
    if marks:
        delete_all = "," in marks and _GROUPED_NUMBER.search(text) is not None
        kept: dict[str, str | int | None] = {
            m: "" if delete_all or f"{m} " in text or f" {m}" in text else " " for m in marks
        }
        text = text.translate(str.maketrans(kept))
    stop = _STOP if as_in_2024 else _FREE_STOP
    return stop.sub("", text, count=MOST_STOPS) if "." in text else text
