"""Figures by split and category, for any benchmark whose units are worth 0 to 1."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from vlmbench.domain import Metric, Sample

from ._figures import empty, mean_over, metric


@dataclass(frozen=True, slots=True)
class Unit:
    """What is counted once: a row, or the whole group of a circular question."""

    sample: Sample
    value: float | None
    rows: int = 1
    group: str | None = None
    """Of a circular question, which is one draw by itself; rows about one picture are one together."""

    @property
    def draw(self) -> Hashable:
        """What units of one draw have in common."""
        return self.sample.draw if self.group is None else self.group


def figure(units: Sequence[Unit], name: str, level: str, split: str | None = None) -> Metric:
    """The mean of the scored units, with its error; value None when none was scored."""
    known = [(u, u.value) for u in units if u.value is not None]
    if not known:
        return empty(name, level, split)
    mean = mean_over([value for _, value in known], [u.draw for u, _ in known])
    return metric(name, mean, level, split, rows=sum(u.rows for u, _ in known))


def tabulate(units: Sequence[Unit], levels: Iterable[str], *, headline: str) -> list[Metric]:
    """The headline over all units, then every split (when there are several), then every category."""
    splits = sorted({u.sample.split for u in units if u.sample.split is not None})
    only = splits[0] if len(splits) == 1 else None
    table = [figure(units, headline, "overall", only)]
    if len(splits) > 1:
        table += _by(units, lambda u: u.sample.split, "split")
    for level in levels:
        table += _by(units, lambda u, level=level: u.sample.categories.get(level), level)  # type: ignore[misc]
    return table


def _by(units: Sequence[Unit], key: Callable[[Unit], str | None], level: str) -> list[Metric]:
    buckets: dict[str, list[Unit]] = {}
    for unit in units:
        name = key(unit)
        if name is not None:
            buckets.setdefault(name, []).append(unit)
    return [figure(buckets[name], name, level) for name in sorted(buckets)]
