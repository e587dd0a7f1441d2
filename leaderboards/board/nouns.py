"""The data of a leaderboard: columns, models, runs shown apart, refused folders, quoted tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from vlmbench.decoding import in_chinese, in_english
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
"""Why a run is shown apart. The page has a sentence for each in both languages."""

DATE_UNKNOWN = "date not known"
UNKNOWN = "not known"

REASONS: Mapping[Why, str] = {
    "blind": "blind: every picture was grey",
    "incomplete": "incomplete: rows have no answer, or an error",
    "partial": "partial: only some of the questions were asked",
    "withheld": "the benchmark's answers are withheld",
    "judge": "not scored yet: needs a judge",
    "rules": "was not scored under this rule set",
    "empty": "nothing could be scored",
    "unlocked": "run.json does not record the dataset and the prompts",
    "dataset": "another dataset under the same name",
    "copy": "the same run again, already counted",
    "twice": "two different runs of this model; vlmbench does not choose which one counts",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardFigure:
    """A headline with its unit, interval and number of questions or rows."""

    value: float
    unit: str
    ci95: tuple[float, float] | None
    n: int

    @property
    def scale(self) -> int:
        """The factor to the number that is shown: percent for fractions."""
        return 100 if self.unit == "fraction" else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnResult:
    """A model's figure in one column, with its band and places."""

    figure: BoardFigure
    folder: str
    band: int | None = None
    """From 1, the best; None where the run could not be tested."""
    ranks: tuple[int, int] | None = None
    """The first and last place that its own paired tests leave open."""
    leader: str | None = None
    """The best model of the band, from which this one cannot be told apart; None: it is that model."""
    p: float | None = None
    """Of the paired test against the leader, by Holm's method over all tests of the leader."""
    untested: str | None = None
    """Why there is no band."""
    decoding: tuple[Decoding, ...] = ()
    """The decoding settings, where run.json has them."""
    draws: int = 1
    """How many answers to each question the figure is the mean of."""

    @property
    def way(self) -> str:
        """How answers were generated, in English; empty where it is not known."""
        several = [f"mean of {self.draws} draws"] if self.draws > 1 else []
        return ", ".join([*filter(None, [in_english(self.decoding)]), *several])

    @property
    def way_in_chinese(self) -> str:
        """The same in Chinese."""
        several = [f"{self.draws} 次采样的平均"] if self.draws > 1 else []
        return "，".join([*filter(None, [in_chinese(self.decoding)]), *several])


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardColumn:
    """Runs that answered the same questions in the same words, under one rule set."""

    key: str
    benchmark: str
    group: str
    """The heading that columns of one suite share."""
    title: str
    measure: str
    """Name of the headline figure."""
    style: str
    languages: tuple[str, ...]
    judge: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardEntry:
    """A model; the digests of its files distinguish it from others of the same name."""

    name: str
    family: str
    billions: float | None
    """Parameters, as the name states them."""
    places: Mapping[str, ColumnResult]
    """By column key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A run that is shown but not ranked."""

    model: str
    benchmark: str
    folder: str
    why: Why
    detail: str = ""
    figure: BoardFigure | None = None
    numbers: tuple[int, ...] = ()
    """The numbers in `detail`, for the page's Chinese sentence."""


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
    """By number of the figure: another source that prints another figure."""
    rule_sets: tuple[RuleSet | None, ...] = ()
    """Of each figure, the rule set here that scores as its source did; None where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedTable:
    """One published table with its source, date and rules."""

    title: str
    source: str
    date: str | None
    """When the source first had the whole table; None where that is not known."""
    dated: str
    """How that is known, or why not."""
    rules: str
    """The source's own words about its rules."""
    benchmarks: tuple[str, ...]
    languages: tuple[tuple[str, ...], ...]
    rows: tuple[QuotedRow, ...]
    decoding: tuple[str | None, ...] = ()
    """Of each column, how the answers were generated; None where that is not known."""
    scored: str = ""
    """Rule sets and decoding in a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything that the page shows."""

    rules: RuleSet
    columns: tuple[BoardColumn, ...]
    entries: tuple[BoardEntry, ...]
    apart: tuple[Apart, ...]
    refused: tuple[Refused, ...]
    quoted: tuple[QuotedTable, ...]
    reports: Mapping[str, str] = field(default_factory=dict)
    """Relative addresses of the runs' report pages, by folder."""
