"""The data of a comparison of two runs of one benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from vlmbench.domain import RuleSet
from vlmbench.stats import Difference

LEVEL = 0.05
Verdict = Literal["better", "worse", "cannot be told apart"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedRun:
    """One of the two runs."""

    model: str
    folder: str
    name: str
    """The run's name in the report."""
    value: float
    """The tested quantity, over the units compared."""
    headline: float | None
    """As in results.json; differs from `value` where not all rows are compared."""
    headline_name: str
    headline_unit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ByRow:
    """The comparison row by row; rows of one question, or about one picture, are one cluster."""

    first: float
    second: float
    rows: int
    difference: Difference


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryDifference:
    """The comparison within one category."""

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
class FlippedAnswer:
    """One run's answer to a row."""

    extracted: str | None
    text: str
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A unit whose score differs between the runs, with its first row that differs."""

    key: str
    row: str
    change: float
    question: str
    choices: Mapping[str, str]
    references: tuple[str, ...]
    pictures: tuple[str, ...]
    """Digests."""
    first: FlippedAnswer
    second: FlippedAnswer


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The page with both answers to every question side by side, and the pictures."""

    path: str
    command: str | None
    """The command that writes it; None once it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two runs of one benchmark, side by side."""

    benchmark: str
    rules: RuleSet
    unit: Literal["question", "row"]
    """`question`: right only in every rotation of its options."""
    measure: str | None
    """Name of the tested headline where it is not a mean of units, such as F1; None: their mean is tested."""
    fraction: bool
    """Whether the tested quantity lies between 0 and 1 and is shown in percent."""
    unit_fraction: bool
    """Whether the values of units do, whose means are shown by row and by category."""
    first: ComparedRun
    second: ComparedRun
    difference: Difference
    adjusted_p: float | None
    """By Holm's method over all comparisons made at once; the test's own p for a single one."""
    by_row: ByRow | None
    """None where the units are rows."""
    categories: tuple[CategoryDifference, ...]
    better: tuple[Flip, ...]
    """Units that the second run does better."""
    worse: tuple[Flip, ...]
    alike: int
    """Units with the same score in both."""
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
        """The second run against the first, at the 5 % level of the adjusted p."""
        if self.adjusted_p is None or self.adjusted_p >= LEVEL:
            return "cannot be told apart"
        return "better" if self.difference.value > 0 else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A benchmark whose runs could not be compared, and why."""

    benchmark: str
    runs: str
    reason: str
