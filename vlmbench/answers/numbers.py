"""ChartQA's relaxed accuracy: numbers may be 5 % off, everything else must be the same text.

The VLMEvalKit generations differ. Until 2025-09-01 (pull request 1204 there) the two sides were swapped:
the 5 % were taken of the prediction, and it was a prediction of 0 that was compared as text. August 2025
lies before that day, so both `vlmevalkit-2025-08` and `vlmevalkit-2024` swap them.

`strict` also reads `1,234`, `$5` and `57 %`, and lets 0 be 0.0; see `docs/rules-open.md`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.answers.scores import Matched
from vlmbench.answers.short import bare
from vlmbench.answers.wording import plain
from vlmbench.domain import RuleSet

TOLERANCE = 0.05

_WRITTEN = re.compile(
    r"(?P<sign>[+-]?) ?[$€£¥]? ?(?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)"
    r"(?P<exponent>e[+-]?\d{1,3})? ?(?P<percent>%)? ?[$€£¥]?",
    re.IGNORECASE,
)
_LIST_BREAK = re.compile(r",? and |[,;] ")
_AROUND = " \n.,;:!?\"'*_`()[]"


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
        return _strict(answer, references)
    said = answer.strip()
    if rules == "vlmevalkit":
        match = tuple(float(same(reference, said)) for reference in references)
    else:
        match = tuple(float(same(said, reference)) for reference in references)
    return Matched(tuple(references), said, match, max(match, default=0.0))


def _strict(answer: str, references: Sequence[str]) -> Matched:
    said = plain(answer)
    match = tuple(float(bool(said) and same_strict(reference, said)) for reference in references)
    value = max(match, default=0.0) or float(_names_them_all(said, references))
    return Matched(tuple(references), said or None, match, value, "" if said else "empty answer")


def _names_them_all(said: str, references: Sequence[str]) -> bool:
    """Whether the answer to a question for several things lists just these, in any order."""
    parts = _LIST_BREAK.split(said.strip(_AROUND))
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
