"""The nouns of a leaderboard: columns, models, what stands apart, what was refused, what is quoted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vlmbench.domain import Decoding, RuleSet

Why = Literal[
    "blind",
    "incomplete",
    "partial",
    "withheld",
    "judge",
    "rules",
    "empty",
    "unlocked",
    "dataset",
    "copy",
    "twice",
]
"""Why a run stands apart. The page has a sentence for each in every language."""

DATE_UNKNOWN = "date not known"
UNKNOWN = "not known"

REASONS: Mapping[Why, str] = {
    "blind": "blind: every picture was grey",
    "incomplete": "incomplete: rows have no answer, or an error",
    "partial": "partial: only some of the questions were asked",
    "withheld": "the benchmark's answers are withheld",
    "judge": "waits for a judge",
    "rules": "was not scored under this rule set",
    "empty": "nothing could be scored",
    "unlocked": "run.json does not say which dataset and prompts were asked",
    "dataset": "another dataset under the same name",
    "copy": "the same run again, already counted",
    "twice": "two runs of this model that differ; which one counts is not ours to choose",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with what it rests on."""

    value: float
    unit: str
    ci95: tuple[float, float] | None
    n: int

    @property
    def scale(self) -> int:
        """What turns it into the number that people speak of: percent for fractions."""
        return 100 if self.unit == "fraction" else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A model's figure in one column, and where that puts it."""

    figure: Figure
    folder: str
    band: int | None = None
    """From 1, the best; None where the run has no scores to test by."""
    ranks: tuple[int, int] | None = None
    """The first and last place that its own paired tests leave open."""
    leader: str | None = None
    """The best model of the band, which this one cannot be told apart from; None: it is that model."""
    p: float | None = None
    """Of the paired test against the leader, by Holm's method over all tests of the leader."""
    untested: str | None = None
    """Why there is no band."""
    decoding: tuple[Decoding, ...] = ()
    """How its answers were made, as far as the run says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """Runs that answered the same questions in the same words, under one rule set."""

    key: str
    benchmark: str
    group: str
    """Columns of one group stand under one heading."""
    title: str
    measure: str
    """Name of the headline figure."""
    style: str
    languages: tuple[str, ...]
    judge: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model, told from others of its name by its files."""

    name: str
    family: str
    billions: float | None
    """Parameters, as the name states them."""
    places: Mapping[str, Place]
    """By column key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A run that is shown but not ranked."""

    model: str
    benchmark: str
    folder: str
    why: Why
    detail: str = ""
    figure: Figure | None = None
    numbers: tuple[int, ...] = ()
    """What the detail counts, for languages that say it in other words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A folder that could not be read as a run."""

    folder: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedRow:
    """A model as a published table has it, figures as printed."""

    model: str
    family: str
    billions: float | None
    figures: tuple[str | None, ...]
    notes: Mapping[int, str]
    """By place of the figure: that another source prints another one."""
    rule_sets: tuple[RuleSet | None, ...] = ()
    """Of each figure, the rule set here that scores as its source did; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedTable:
    """One published table with where, when and under which rules it was printed."""

    title: str
    source: str
    date: str | None
    """When the source first had all of it; None where that is not known."""
    dated: str
    """How that is known, or why not."""
    rules: str
    """What the source says of its rules."""
    benchmarks: tuple[str, ...]
    languages: tuple[tuple[str, ...], ...]
    rows: tuple[QuotedRow, ...]
    decoding: tuple[str | None, ...] = ()
    """Of each column, how the answers were generated; None where that is not known."""
    scored: str = ""
    """Rule sets and decoding in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything that a page shows."""

    rules: RuleSet
    columns: tuple[Column, ...]
    entries: tuple[Entry, ...]
    apart: tuple[Apart, ...]
    refused: tuple[Refused, ...]
    quoted: tuple[QuotedTable, ...]
    reports: Mapping[str, str] = field(default_factory=dict)
    """Addresses from the page, by folder, of what shows a run's pictures and answers."""
