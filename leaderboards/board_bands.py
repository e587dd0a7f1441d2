"""Bands: models that the paired tests cannot tell from the best of them.

The best model leads the first band; every model that its test against the leader does not tell apart
belongs to it. The best of the others leads the next. The tests against one leader are taken together by
Holm's method.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from vlmbench.stats import holm, mcnemar, paired_difference

from .board_scores import Units

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a model stands in one column."""

    band: int
    ranks: tuple[int, int]
    leader: str | None
    p: float | None


def bands(values: Mapping[str, float], units: Mapping[str, Units]) -> dict[str, Standing]:
    """The standing of every model with units; `values` are the figures they are ordered by."""
    left = sorted(units, key=lambda model: (-values[model], model))
    standings: dict[str, Standing] = {}
    number = 1
    while left:
        leader, *others = left
        tests = [_test(units[leader], units[other]) for other in others]
        adjusted = holm([p for p, _ in tests])
        beaten = {
            model
            for model, (_, worse), p in zip(others, tests, adjusted, strict=True)
            if worse and p is not None and p < LEVEL
        }
        alike = dict(zip(others, adjusted, strict=True))
        members = [model for model in left if model not in beaten]
        ranks = (len(standings) + 1, len(standings) + len(members))
        for model in members:
            standings[model] = Standing(number, ranks, None if model == leader else leader, alike.get(model))
        left = [model for model in left if model in beaten]
        number += 1
    return standings


def same_questions(units: Mapping[str, Units]) -> Sequence[str]:
    """The models whose units are those of most; the others cannot be paired with them."""
    counts: dict[tuple[str, ...], list[str]] = {}
    for model in sorted(units):
        counts.setdefault(units[model].keys, []).append(model)
    return max(counts.values(), key=len, default=[])


def _test(first: Units, second: Units) -> tuple[float | None, bool]:
    """The p-value, and whether the second is the worse of the two on the units that are tested."""
    if first.bits is not None and second.bits is not None:
        better = (second.bits & ~first.bits).bit_count()
        worse = (first.bits & ~second.bits).bit_count()
        return _mcnemar(*sorted((better, worse))), worse > better
    found = paired_difference(first.values, second.values, first.clusters)
    return found.p, found.value < 0


@lru_cache(maxsize=1 << 16)
def _mcnemar(fewer: int, more: int) -> float:
    return mcnemar(fewer, more)
