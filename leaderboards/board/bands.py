"""Places and bands by paired tests of every model of a column against every other one.

A model's places come from its own tests: it stands behind those that are better and before those that are
worse. Bands are stretches of the order by score: each ends before the first model that its best one's tests
tell apart from it, and that one leads the next. The tests of one model are taken together by Holm's method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlmbench.leaderboards.board.scores import Units

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a model stands in one column."""

    band: int
    ranks: tuple[int, int]
    """The first and the last place that its tests leave open."""
    leader: str | None
    p: float | None


def bands(values: Mapping[str, float], units: Mapping[str, Units], untested: int = 0) -> dict[str, Standing]:
    """The standing of every model with units; `values` are the figures they are ordered by.

    Each of so many `untested` ones may be better or worse than any.
    """
    order = sorted(units, key=lambda model: (-values[model], model))
    if not order:
        return {}
    # A column of one needs no test, and numpy takes a while to come.
    if len(order) == 1:
        return {order[0]: Standing(1, (1, 1 + untested), None, None)}
    import numpy as np

    from vlmbench.leaderboards.board.pairs import holm_each, pair_tests

    difference, p = pair_tests([units[model] for model in order])
    adjusted = holm_each(p)
    told = adjusted < LEVEL
    better = (told & (difference > 0)).sum(axis=1)
    beaten = told & (difference < 0)
    worse = beaten.sum(axis=1)
    standings: dict[str, Standing] = {}
    leader, band = 0, 1
    for number, model in enumerate(order):
        if beaten[leader, number]:
            leader, band = number, band + 1
        ranks = (int(1 + better[number]), int(len(order) - worse[number]) + untested)
        against = adjusted[leader, number]
        if leader == number:
            standings[model] = Standing(band, ranks, None, None)
        else:
            known = None if np.isnan(against) else float(f"{against:.6g}")
            standings[model] = Standing(band, ranks, order[leader], known)
    return standings


def same_questions(units: Mapping[str, Units]) -> Sequence[str]:
    """The models whose units are those of most; the others cannot be paired with them."""
    counts: dict[tuple[str, ...], list[str]] = {}
    for model in sorted(units):
        counts.setdefault(units[model].keys, []).append(model)
    return max(counts.values(), key=len, default=[])
