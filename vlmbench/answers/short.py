"""Short answers beside their references: equal, contained, near in letters, or near as numbers.

VLMEvalKit's three generations share these rules but for ChartQA's; `docs/rules-open.md` lists, case by case,
what `strict` does differently.

    equal       GQA, OCRVQA. VLMEvalKit trims and writes small letters, nothing else: `yes.` misses `yes`.
                `strict` removes what carries no meaning: marks around the answer, full-width forms, a leading
                article.
    contained   OCRBench. A reference must stand somewhere in the answer. VLMEvalKit finds `3` in `page 13`,
                and an empty reference in anything; `strict` wants whole words and looks past white space of
                any kind.
    ANLS        DocVQA, InfoVQA. Levenshtein's distance over the length of the longer text; an answer further
                away than half is worth 0. VLMEvalKit divides the distance of the tidied texts by the length
                of the raw ones, so that blanks in an answer make it better; `strict` divides by the length of
                what it compares.
    relaxed     ChartQA. Numbers may be 5 % off, everything else must be the same text. Until 2025-09-01 (pull
                request 1204 there) VLMEvalKit had the two sides swapped: the 5 % were taken of the
                prediction, and a prediction of 0 was compared as text. August 2025 lies before that day, so
                both `vlmevalkit-2025-08` and `vlmevalkit-2024` swap them. `strict` also reads `1,234`, `$5`
                and `57 %`, and lets 0 be 0.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from vlmbench.answers.scores import Matched, numpy_mean
from vlmbench.answers.wording import core, is_letter_of_word, plain, without_article
from vlmbench.domain import RuleSet

THRESHOLD = 0.5
"""Below it, ANLS is 0."""
TOLERANCE = 0.05
"""The share by which ChartQA's numbers may be off."""

_SPACE = re.compile(r"\s+")
_WRITTEN = re.compile(
    r"(?P<sign>[+-]?) ?[$€£¥]? ?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)"
    r"(?P<exponent>e[+-]?\d{1,3})? ?(?P<percent>%)? ?[$€£¥]?",
    re.IGNORECASE,
)
_LIST_BREAK = re.compile(r",? and |[,;] ")
_AROUND = " \n.,;:!?\"'*_`()[]"


def match_exact(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """The mean over the references; GQA has one a row."""
    if rules == "strict":
        return _equal_strict(answer, references)
    folded = answer.strip().lower()
    match = tuple(float(reference.strip().lower() == folded) for reference in references)
    value = match[0] if len(match) == 1 else numpy_mean(match)
    return Matched(tuple(references), answer.strip(), match, value)


def match_any(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """The same comparison where any one reference is enough (OCRVQA)."""
    found = match_exact(answer, references, rules)
    return Matched(found.references, found.answer, found.match, max(found.match, default=0.0), found.reason)


@lru_cache(maxsize=1 << 15)
def bare(text: str) -> str:
    """Small letters, without marks around and without a leading article."""
    return without_article(core(plain(text)).casefold()) or plain(text).casefold()


def _equal_strict(answer: str, references: Sequence[str]) -> Matched:
    given = bare(answer)
    match = tuple(float(bool(given) and bare(reference) == given) for reference in references)
    value = sum(match) / max(1, len(match))
    return Matched(tuple(references), given or None, match, value, "" if given else "empty answer")


def match_contained(
    answer: str, references: Sequence[str], rules: RuleSet, *, formula: bool = False
) -> Matched:
    """Any reference is enough. In formulas case counts and blanks do not."""
    if rules == "strict":
        return _contained_strict(answer, references, formula)
    read = _formula if formula else _line
    given = read(answer)
    gold = tuple(map(read, references))
    match = tuple(float(reference in given) for reference in gold)
    return Matched(gold, given, match, max(match, default=0.0))


def _contained_strict(answer: str, references: Sequence[str], formula: bool) -> Matched:
    given = _SPACE.sub("", answer) if formula else _SPACE.sub(" ", plain(answer)).lower()
    gold = tuple(
        _SPACE.sub("", reference) if formula else _SPACE.sub(" ", plain(reference)).lower()
        for reference in references
    )
    inside = _inside if formula else _as_words
    match = tuple(float(inside(reference, given)) for reference in gold)
    return Matched(gold, given or None, match, max(match, default=0.0), "" if given else "empty answer")


def _inside(reference: str, given: str) -> bool:
    return bool(reference) and reference in given


def _as_words(reference: str, given: str) -> bool:
    """Whether the reference stands in the text without being part of a longer word or number."""
    start = given.find(reference) if reference else -1
    while start >= 0:
        end = start + len(reference)
        if not (_glued(given, start) or _glued(given, end)):
            return True
        start = given.find(reference, start + 1)
    return False


def _glued(text: str, place: int) -> bool:
    """Whether a word runs on over this place."""
    around = text[max(0, place - 1) : place + 1]
    return 0 < place < len(text) and all(map(is_letter_of_word, around))


def _line(text: str) -> str:
    return text.lower().strip().replace("\n", " ")


def _formula(text: str) -> str:
    return text.strip().replace("\n", "").replace(" ", "")


def match_anls(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """1 less the best distance, or 0 if that is below a half. `match` holds distances: lower is better."""
    distance = distance_strict if rules == "strict" else distance_vlmevalkit
    match = tuple(distance(reference, answer) for reference in references)
    near = 1 - min(match, default=1.0)
    value = near if near >= THRESHOLD else 0.0
    if rules == "strict" and not plain(answer):
        return Matched(tuple(references), None, match, 0.0, "empty answer")
    return Matched(tuple(references), answer, match, value)


def distance_vlmevalkit(reference: str, answer: str) -> float:
    """Between the tidied texts, over the longer raw length (counted in capitals: `ß` makes two)."""
    length = max(len(reference.upper()), len(answer.upper()))
    return float(levenshtein(tidy(reference), tidy(answer))) / length if length else 0.0


def distance_strict(reference: str, answer: str) -> float:
    """Between the tidied texts, over the longer of these."""
    one, other = tidy(plain(reference)), tidy(plain(answer))
    length = max(len(one), len(other))
    return levenshtein(one, other) / length if length else 0.0


def tidy(text: str) -> str:
    """Small letters, single blanks."""
    return " ".join(text.lower().split())


@lru_cache(maxsize=1 << 14)
def levenshtein(one: str, other: str) -> int:
    """Insertions, deletions and replacements between two texts.

    Bit-parallel (Myers 1999, as Hyyrö 2001 gives it): one long integer holds a whole column of the
    table as differences of +1 and -1, so memory is linear and a column costs a dozen operations.
    """
    if len(one) > len(other):
        one, other = other, one
    if not one:
        return len(other)
    where: dict[str, int] = {}
    for place, char in enumerate(one):
        where[char] = where.get(char, 0) | 1 << place
    full = (1 << len(one)) - 1
    last = 1 << (len(one) - 1)
    up, down, distance = full, 0, len(one)
    for char in other:
        equal = where.get(char, 0)
        diagonal = ((((equal & up) + up) ^ up) | equal | down) & full
        right_up = down | (full & ~(diagonal | up))
        right_down = up & diagonal
        if right_up & last:
            distance += 1
        elif right_down & last:
            distance -= 1
        right_up = (right_up << 1) | 1
        right_down <<= 1
        equal |= down
        up = (right_down | ~(equal | right_up)) & full
        down = right_up & equal & full
    return distance


@dataclass(frozen=True, slots=True)
class Number:
    """A number as written; `value` is before any division by 100."""

    value: float
    percent: bool

    @property
    def readings(self) -> tuple[float, ...]:
        """What it may stand for: `57%` is 0.57, or 57 on an axis that counts percent."""
        return (self.value, self.value / 100) if self.percent else (self.value,)


def match_relaxed(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """The best reference decides."""
    if rules == "strict":
        return _relaxed_strict(answer, references)
    given = answer.strip()
    if rules == "vlmevalkit":
        match = tuple(float(same(reference, given)) for reference in references)
    else:
        match = tuple(float(same(given, reference)) for reference in references)
    return Matched(tuple(references), given, match, max(match, default=0.0))


def _relaxed_strict(answer: str, references: Sequence[str]) -> Matched:
    given = plain(answer)
    match = tuple(float(bool(given) and same_strict(reference, given)) for reference in references)
    value = max(match, default=0.0) or float(_names_them_all(given, references))
    return Matched(tuple(references), given or None, match, value, "" if given else "empty answer")


def _names_them_all(given: str, references: Sequence[str]) -> bool:
    """Whether the answer to a question for several things lists just these, in any order."""
    parts = _LIST_BREAK.split(given.strip(_AROUND))
    return len(parts) == len(references) > 1 and all(
        any(same_strict(reference, part) for part in parts) for reference in references
    )


def same(target: str, other: str) -> bool:
    """Whether `other` is a number within 5 % of a `target` that is not 0, else the same text."""
    wanted, given = to_float(target), to_float(other)
    if given is not None and wanted:
        return abs(given - wanted) / abs(wanted) <= TOLERANCE
    return target.lower() == other.lower()


def to_float(text: str) -> float | None:
    """What Python takes for a number; a percent sign at the end divides by 100."""
    try:
        return float(text.rstrip("%")) / 100.0 if text.endswith("%") else float(text)
    except ValueError:
        return None


def same_strict(reference: str, answer: str) -> bool:
    """The same, with numbers as people write them."""
    wanted, given = read_number(reference), read_number(answer)
    if wanted is None or given is None:
        return bare(reference) == bare(answer)
    if wanted.percent == given.percent:
        return _near(wanted.value, given.value)
    return any(_near(w, g) for w in wanted.readings for g in given.readings)


def read_number(text: str) -> Number | None:
    """A text that is nothing but a number, with its currency or percent sign; None for any other."""
    found = _WRITTEN.fullmatch(plain(text).strip(_AROUND).strip())
    if found is None:
        return None
    digits = found["digits"].replace(",", "") + (found["exponent"] or "")
    return Number(float(found["sign"] + digits), percent=found["percent"] is not None)


def _near(wanted: float, given: float) -> bool:
    return abs(given - wanted) <= TOLERANCE * abs(wanted)
