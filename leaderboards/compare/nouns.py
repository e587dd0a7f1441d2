"""The nouns of a comparison: what two runs of one benchmark look like side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vlmbench.domain import RuleSet
from vlmbench.stats import Difference

LEVEL = 0.05
Verdict = Literal["better", "worse", "cannot be told apart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two runs."""

    model: str
    folder: str
    name: str
    """What tells this run from the others in one report."""
    value: float
    """What is tested, over the units compared."""
    headline: float | None
    """As results.json has it; another figure than `value` where not all rows are compared."""
    headline_name: str
    headline_unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ByRow:
    """Rows, counted one by one; those of one question, or about one picture, are one cluster."""

    first: float
    second: float
    rows: int
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Category:
    """The same within one category."""

    level: str
    name: str
    first: float
    second: float
    units: int
    """Questions or rows; `difference.n` counts clusters of them."""
    difference: Difference
    adjusted_p: float | None
    """By Holm's method over the categories of this level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one run said to a row."""

    extracted: str | None
    text: str
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A unit whose worth is not the same in both runs, told by the first row that makes the difference."""

    key: str
    row: str
    change: float
    question: str
    choices: Mapping[str, str]
    references: tuple[str, ...]
    pictures: tuple[str, ...]
    """Digests."""
    first: Answer
    second: Answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where both answers to every question stand side by side with the pictures."""

    path: str
    command: str | None
    """What writes it; None once it has been written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs of one benchmark, side by side."""

    benchmark: str
    rules: RuleSet
    unit: Literal["question", "row"]
    """`question`: right only in every rotation of its options."""
    measure: str | None
    """The headline that is tested where it is no mean of units, as F1 is none; None: their mean is tested."""
    fraction: bool
    """What is tested lies between 0 and 1 and is shown in percent."""
    unit_fraction: bool
    """So do the values of units, which rows and categories are means of."""
    first: Side
    second: Side
    difference: Difference
    adjusted_p: float | None
    """By Holm's method over everything compared at once; the test's own p where that is one thing."""
    by_row: ByRow | None
    """None where rows are what is tested anyway."""
    categories: tuple[Category, ...]
    better: tuple[Flip, ...]
    """Units that the second run does better."""
    worse: tuple[Flip, ...]
    alike: int
    """Units worth the same in both."""
    left_out: int
    """Rows asked of either run that are not compared."""
    notes: tuple[str, ...]
    page: Page | None = None

    @property
    def units(self) -> int:
        """Questions or rows compared."""
        return len(self.better) + len(self.worse) + self.alike

    @property
    def verdict(self) -> Verdict:
        """What may be said of the second run."""
        if self.adjusted_p is None or self.adjusted_p >= LEVEL:
            return "cannot be told apart"
        return "better" if self.difference.value > 0 else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A benchmark that could not be compared, and why."""

    benchmark: str
    runs: str
    reason: str
