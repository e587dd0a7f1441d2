"""Figures over rows that share pictures: each picture is one draw, however many questions it has."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from vlmbench.domain import Metric, Sample, Score
from vlmbench.stats import Estimate, clustered_mean, mean_over, t95


@dataclass(frozen=True, slots=True)
class FigureUnit:
    """What a figure counts once: a row, or the whole group of a circular question."""

    sample: Sample
    value: float | None
    rows: int = 1
    group: str | None = None
    """Of a circular question, which is one draw by itself; rows about one picture are one together."""

    @property
    def draw(self) -> Hashable:
        """What units of one draw have in common."""
        return self.sample.draw if self.group is None else self.group


@dataclass(frozen=True, slots=True)
class Scored(FigureUnit):
    """A row that has a value."""

    value: float
    score: Score = field(kw_only=True)


Unit = TypeVar("Unit", bound=FigureUnit)


def scored(samples: Sequence[Sample], scores: Sequence[Score]) -> list[Scored]:
    """The rows that have a value."""
    pairs = zip(samples, scores, strict=True)
    return [Scored(sample, score.value, score=score) for sample, score in pairs if score.value is not None]


def empty(name: str, level: str = "overall", split: str | None = None, unit: str = "fraction") -> Metric:
    """A figure for which nothing could be scored."""
    return Metric(name=name, split=split, level=level, value=None, n=0, unit=unit, rows=0)


def check(name: str, count: int, of: int, unit: str) -> Metric:
    """How many of some things a figure does not count; stands beside the figures, and is none."""
    return Metric(name=name, split=None, level="check", value=float(count), n=of, unit=unit, rows=count)


def metric(
    name: str,
    estimate: Estimate,
    level: str = "overall",
    split: str | None = None,
    *,
    rows: int,
    scale: float = 1.0,
    unit: str = "fraction",
) -> Metric:
    """An estimate as a figure, in units of `1 / scale`."""
    ends = estimate.ci95
    return Metric(
        name=name,
        split=split,
        level=level,
        value=estimate.value * scale,
        n=estimate.n,
        unit=unit,
        stderr=None if estimate.stderr is None else estimate.stderr * scale,
        ci95=None if ends is None else (ends[0] * scale, ends[1] * scale),
        rows=rows,
        moves=estimate.moves and {draw: move * scale for draw, move in estimate.moves.items()},
        terms=estimate.terms and (*estimate.terms, scale),
    )


def linearised(
    value: float, effects: Sequence[float], clusters: Sequence[Hashable], *, ceiling: float = 1.0
) -> Estimate:
    """A figure that is not a mean, by the delta method.

    `effects` says how much each row moves the figure (they add up to about 0); their sums by cluster are
    taken for independent draws. Where nothing moves it (all right, all wrong) the error is unknown.
    """
    n = len(effects)
    moves: dict[Hashable, float] = dict.fromkeys(clusters, 0.0)
    for effect, cluster in zip(effects, clusters, strict=True):
        moves[cluster] += effect
    spread = clustered_mean([effect * n for effect in effects], clusters)
    if not spread.stderr:
        return Estimate(value, None, None, spread.n, moves)
    half = t95(spread.n - 1) * spread.stderr
    ends = (max(0.0, value - half), min(ceiling, value + half))
    return Estimate(value, spread.stderr, ends, spread.n, moves)


def mean_figure(
    units: Sequence[FigureUnit], name: str, level: str = "overall", split: str | None = None
) -> Metric:
    """The mean of the units that have a value, with its error; value None where none has."""
    known = [(unit, unit.value) for unit in units if unit.value is not None]
    if not known:
        return empty(name, level, split)
    estimate = mean_over([value for _, value in known], [unit.draw for unit, _ in known])
    return metric(name, estimate, level, split, rows=sum(unit.rows for unit, _ in known))


def mean_figures(units: Sequence[FigureUnit], levels: Iterable[str], headline: str) -> list[Metric]:
    """The headline over all units, then every split (when there are several), then every category."""
    splits = by(units, lambda unit: unit.sample.split)
    only = next(iter(splits)) if len(splits) == 1 else None
    table = [mean_figure(units, headline, split=only)]
    if len(splits) > 1:
        table += [mean_figure(part, name, "split", name) for name, part in splits.items()]
    for level in levels:
        table += [mean_figure(part, name, level) for name, part in by_category(units, level).items()]
    return table


def by(units: Iterable[Unit], key: Callable[[Unit], str | None]) -> dict[str, list[Unit]]:
    """Units by a text of theirs, sorted; units that have none are left out."""
    parts: dict[str, list[Unit]] = {}
    for unit in units:
        name = key(unit)
        if name is not None:
            parts.setdefault(name, []).append(unit)
    return dict(sorted(parts.items()))


def by_category(units: Iterable[Unit], level: str = "category") -> dict[str, list[Unit]]:
    """Units by their category, or by another level of it."""
    return by(units, lambda unit: unit.sample.categories.get(level))


def percent(part: float, whole: float) -> float:
    """`part` of `whole` in percent, NaN of nothing: as the original tables have it."""
    return part / whole * 100 if whole else math.nan
