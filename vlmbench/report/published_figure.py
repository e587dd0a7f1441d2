"""Which figures round to a published one: every rule set's figures beside a number that somebody printed.

`67.7` is percent of a fraction, or points; `0.677` may be a fraction; `1511/348` are several figures of one
benchmark in order. A figure matches when it rounds to the printed number at its number of decimals, half up
or half to even: authors use both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from itertools import combinations

from vlmbench.domain import Metric, RuleSet
from vlmbench.errors import UsageError

LEVELS = ("overall", "split", "base", "row")
"""Levels of the figures that tables quote; not categories: of dozens, one always matches by chance."""
PARTS = 3
"""A printed figure has at most this many parts."""
BOTH, UP, EVEN = "half up and half even", "half up only", "half even only"
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_NOISE = 9
"""Decimals kept: further digits of a float are noise and would decide ties by chance."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A number as a table prints it."""

    text: str
    parts: tuple[Decimal, ...]
    percent: bool
    """Whether a percent sign follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparedFigure:
    """One figure of one rule set in the unit of the printed number; several where that has several parts."""

    rules: RuleSet
    metrics: tuple[Metric, ...]
    shown: tuple[float, ...]
    """In the printed unit: percent, or points."""
    rounds: str | None
    """The rounding that gives the printed number; None where neither does."""
    place: int
    """Its number among the figures of its rule set: 0 is the headline."""
    distance: float
    """Between `shown` and the printed number, in its unit; the largest of several parts."""

    @property
    def name(self) -> str:
        """As in results.json; several joined by a slash."""
        return "/".join(metric.name for metric in self.metrics)


def parse_printed(text: str) -> Printed:
    """The number in a command line: `67.7`, `67.7%`, `0.677`, `1511/348`."""
    bare = text.strip()
    percent = bare.endswith("%")
    parts = [part.strip() for part in bare.removesuffix("%").split("/")]
    if not all(map(_NUMBER.fullmatch, parts)) or len(parts) > PARTS:
        raise UsageError(
            f"`{text[:40]}` is not a printed figure.",
            key="--published",
            fix="Give it as the table prints it: --published 67.7, or --published 1511/348 for two parts.",
        )
    return Printed(bare, tuple(map(Decimal, parts)), percent)


def rounding_of(value: float, printed: Decimal) -> str | None:
    """The rounding that turns the value into the printed number; None where neither does."""
    exact = Decimal(repr(round(value, _NOISE)))
    up, even = (exact.quantize(printed, way) == printed for way in (ROUND_HALF_UP, ROUND_HALF_EVEN))
    if up and even:
        return BOTH
    return UP if up else EVEN if even else None


def figures_beside(metrics: Mapping[RuleSet, Sequence[Metric]], printed: Printed) -> list[ComparedFigure]:
    """Every figure with a value that a table would quote, of every rule set, in the order of the results."""
    return [
        min(_in_printed_unit(rules, place, chosen, printed), key=_order)
        for rules, table in metrics.items()
        for place, chosen in enumerate(_quotable(table, len(printed.parts)))
    ]


def ranked(figures: Sequence[ComparedFigure]) -> list[ComparedFigure]:
    """Those that round to the printed number, the headline first; then the others, the nearest first."""
    return sorted(figures, key=_order)


def _order(figure: ComparedFigure) -> tuple[bool, float, int]:
    return figure.rounds is None, 0.0 if figure.rounds else figure.distance, figure.place


def nearest_two(figures: Sequence[ComparedFigure]) -> tuple[ComparedFigure, ComparedFigure | None] | None:
    """The nearest figure, and the nearest one of another rule set with a different value.

    The second has the same name where another rule set has a figure of that name; it is None where all those
    have the same value. None altogether where no figure has a value.
    """
    order = ranked(figures)
    if not order:
        return None
    first = order[0]
    others = [figure for figure in order if figure.rules != first.rules]
    namesakes = [figure for figure in others if figure.name == first.name]
    return first, next((f for f in namesakes or others if _differs(f.shown, first.shown)), None)


def _differs(one: Sequence[float], other: Sequence[float]) -> bool:
    return any(round(a - b, _NOISE) != 0 for a, b in zip(one, other, strict=True))


def _quotable(table: Sequence[Metric], parts: int) -> Iterator[tuple[Metric, ...]]:
    """Single figures; for several parts, combinations of overall figures that share a unit."""
    known = [m for m in table if m.value is not None and m.level in LEVELS]
    if parts == 1:
        yield from ((metric,) for metric in known)
        return
    for chosen in combinations([m for m in known if m.level == LEVELS[0]], parts):
        if len({metric.unit for metric in chosen}) == 1:
            yield chosen


def _in_printed_unit(
    rules: RuleSet, place: int, metrics: tuple[Metric, ...], printed: Printed
) -> Iterator[ComparedFigure]:
    """Points unchanged; a fraction as percent, and unchanged where the printed number may be one."""
    fraction = metrics[0].unit == "fraction"
    small = not printed.percent and all(part <= 1 for part in printed.parts)
    for scale in ((1, 100) if small else (100,)) if fraction else (1,):
        shown = tuple((metric.value or 0.0) * scale for metric in metrics)
        pairs = list(zip(shown, printed.parts, strict=True))
        yield ComparedFigure(
            rules=rules,
            metrics=metrics,
            shown=shown,
            rounds=_together([rounding_of(value, part) for value, part in pairs]),
            place=place,
            distance=round(max(abs(value - float(part)) for value, part in pairs), _NOISE),
        )


def _together(ways: Sequence[str | None]) -> str | None:
    """The one rounding that fits all parts."""
    if None in ways or (UP in ways and EVEN in ways):
        return None
    return UP if UP in ways else EVEN if EVEN in ways else BOTH
