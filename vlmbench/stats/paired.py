"""Two runs over the same questions: how far apart they are, and whether chance could explain it.

Every question is asked of both, so what counts is the difference question by question. Which test is
used when:

    one 0/1 value a unit          McNemar's exact test; interval after Bonett and Price
    rows that come in clusters    Student's t on the clusters' sums, G - 1 degrees of freedom; with
                                  few clusters that differ, the exact test of all their sign flips too

A test decides and its interval never contradicts it: where p is 0.05 or more the interval is
stretched to touch 0.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

from vlmbench.stats.distributions import Z80, Z95, normal_below, t95, t_beyond

LEVEL = 0.05
FEW_CLUSTERS = 12
"""Up to so many clusters that differ, every way to flip their signs is tried."""

Test = Literal["McNemar exact", "McNemar mid-p", "clustered t"]


@dataclass(frozen=True, slots=True)
class Difference:
    """The second run's mean less the first's, over the same units."""

    value: float
    stderr: float | None
    """None where there is one unit, which has no spread."""
    ci95: tuple[float, float] | None
    p: float | None
    n: int
    """Independent units: values, or clusters of them."""
    test: Test
    smallest: float | None
    """The smallest true difference that this many units would show in four of five repetitions."""

    @property
    def significant(self) -> bool:
        """Whether chance alone would rarely give this much, taken alone."""
        return self.p is not None and self.p < LEVEL


def paired_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable]
) -> Difference:
    """The difference by the test that fits: McNemar's for one 0/1 value a unit, else by cluster."""
    single = len(set(clusters)) == len(first)
    if single and all(value in (0, 1) for value in (*first, *second)):
        pairs = list(zip(first, second, strict=True))
        return paired_proportions(sum(a < b for a, b in pairs), sum(a > b for a, b in pairs), len(pairs))
    return clustered_difference(first, second, clusters)


def mcnemar(better: int, worse: int, *, mid_p: bool = False) -> float:
    """The chance of a split at least as uneven if either were as likely: exact, two-sided.

    `mid_p` counts the split itself by half, which comes nearer to the nominal 5 % with few pairs.
    """
    n = better + worse
    if min(better, worse) < 0:
        raise ValueError(f"{better} better and {worse} worse")
    if n == 0:
        return 1.0
    here = _binomial_half(min(better, worse), n)
    tail = math.fsum(_binomial_half(k, n) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * tail - (here if mid_p else 0.0))


def paired_proportions(better: int, worse: int, n: int, *, mid_p: bool = False) -> Difference:
    """The difference of two shares of the same `n` units, from those that are right in one run only."""
    if n <= 0 or better + worse > n:
        raise ValueError(f"{better} better and {worse} worse of {n}")
    p = mcnemar(better, worse, mid_p=mid_p)
    value = (better - worse) / n
    return Difference(
        value=value,
        stderr=math.sqrt(max(0.0, better + worse - n * value * value)) / n,
        ci95=_agreeing(_bonett_price(better, worse, n), p),
        p=p,
        n=n,
        test="McNemar mid-p" if mid_p else "McNemar exact",
        smallest=smallest_difference(_smoothed(better, worse, n)[1]),
    )


def clustered_difference(
    first: Sequence[float], second: Sequence[float], clusters: Sequence[Hashable]
) -> Difference:
    """The mean difference of rows whose clusters, each one draw, share their fate."""
    if not first or not all(map(math.isfinite, (*first, *second))):
        raise ValueError("a difference needs finite values, at least one")
    differences = [b - a for a, b in zip(first, second, strict=True)]
    n = len(differences)
    value = math.fsum(differences) / n
    sums: dict[Hashable, list[float]] = {}
    for difference, cluster in zip(differences, clusters, strict=True):
        sums.setdefault(cluster, []).append(difference)
    groups = len(sums)
    if groups == 1:
        return Difference(value, None, None, None, 1, "clustered t", None)
    residuals = [math.fsum(rows) - value * len(rows) for rows in sums.values()]
    stderr = math.sqrt(math.fsum(r * r for r in residuals) * groups / (groups - 1)) / n
    bounded = all(0 <= v <= 1 for v in (*first, *second))
    if stderr <= 1e-12 * max(1.0, abs(value)):
        return _without_spread(value, groups, bounded=bounded)
    p = max(t_beyond(value / stderr, groups - 1), _sign_flips([math.fsum(rows) for rows in sums.values()]))
    half = t95(groups - 1) * stderr
    low, high = value - half, value + half
    interval = (max(-1.0, low), min(1.0, high)) if bounded else (low, high)
    smallest = smallest_difference(stderr, groups - 1)
    return Difference(value, stderr, _agreeing(interval, p), p, groups, "clustered t", smallest)


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Holm's adjusted p-values, in the order given; None stands for no test, and stays None."""
    order = sorted((p, i) for i, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    highest = 0.0
    for rank, (p, i) in enumerate(order):
        highest = max(highest, min(1.0, p * (len(order) - rank)))
        adjusted[i] = highest
    return adjusted


def power(difference: float, stderr: float) -> float:
    """How often a true difference would be found at the 5 % level, by the normal distribution."""
    shift = abs(difference) / stderr
    return normal_below(shift - Z95) + normal_below(-shift - Z95)


def smallest_difference(stderr: float, freedom: int | None = None) -> float:
    """The true difference that would be found four times of five."""
    return ((Z95 if freedom is None else t95(freedom)) + Z80) * stderr


def _binomial_half(k: int, n: int) -> float:
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2))


def _bonett_price(better: int, worse: int, n: int) -> tuple[float, float]:
    middle, stderr = _smoothed(better, worse, n)
    return max(-1.0, middle - Z95 * stderr), min(1.0, middle + Z95 * stderr)


def _smoothed(better: int, worse: int, n: int) -> tuple[float, float]:
    """Difference and error with one unit added to each side, so that no unit that differs is no certainty."""
    up, down = (better + 1) / (n + 2), (worse + 1) / (n + 2)
    return up - down, math.sqrt((up + down - (up - down) ** 2) / (n + 2))


def _agreeing(interval: tuple[float, float], p: float) -> tuple[float, float]:
    low, high = interval
    return (min(0.0, low), max(0.0, high)) if p >= LEVEL else interval


def _without_spread(value: float, groups: int, *, bounded: bool) -> Difference:
    """Every cluster differs alike, or none does: each counts once, as a unit that may have been otherwise."""
    none = value == 0
    p = 1.0 if none else 2.0 ** (1 - groups)
    interval = None
    if bounded or not none:
        low, high = _bonett_price(0 if none else groups, 0, groups)
        scale = 1.0 if none else value
        interval = _agreeing((min(low * scale, high * scale), max(low * scale, high * scale)), p)
    return Difference(value, 0.0, interval, p, groups, "clustered t", None)


def _sign_flips(sums: Sequence[float]) -> float:
    """Of all ways to flip the signs of the sums, the share that is as far from 0; 0 where there are many."""
    moved = [abs(s) for s in sums if s]
    if len(moved) > FEW_CLUSTERS:
        return 0.0
    seen = abs(math.fsum(sums)) * (1 - 1e-9)
    flips = product((1, -1), repeat=len(moved))
    hits = sum(abs(sum(s * f for s, f in zip(moved, signs, strict=True))) >= seen for signs in flips)
    return float(hits) / 2.0 ** len(moved)
