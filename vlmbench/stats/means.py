"""Means with their uncertainty: which interval is used when, and why.

The unit of a circular score is the question, so the caller passes one value a question. Where rows
are counted one by one although they belong together (`row accuracy`), `clustered_mean` is used.

    0/1 values       Wilson under 100 units, or with fewer than 30 right or 30 wrong; else normal
    fractions        Student's t around the mean, clipped to [0, 1] when every value lies there
    clustered 0/1    as 0/1 values, with the number of independent values the clusters amount to
    clustered        Student's t with G - 1 degrees of freedom
    chances          as clustered 0/1 values: what pass@k gives of each question

The normal interval has width 0 at 0 % and 100 % and reaches past them nearby; Wilson's does neither.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlmbench.stats.distributions import Z95, t95

ENOUGH_UNITS = 100
ENOUGH_OF_EACH = 30
"""Fewer right (or wrong) units than this is `near 0` (or 1)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean, its standard error and its 95 % interval."""

    value: float
    stderr: float | None
    """None where there is one unit, which has no spread."""
    ci95: tuple[float, float] | None
    n: int
    """Independent units: values, or clusters of them."""
    moves: Mapping[Hashable, float] | None = field(default=None, compare=False, repr=False)
    """Of a figure that is not a mean: how much each draw moves it."""
    terms: tuple[Sequence[float], Sequence[Hashable]] | None = field(default=None, compare=False, repr=False)
    """Of a mean over clusters: its values, and the cluster of each."""


def mean_over(values: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """The mean, as of independent values where no two of them share a cluster."""
    if len(set(clusters)) == len(clusters):
        return replace(mean_of(values), terms=(values, clusters))
    return clustered_mean(values, clusters)


def mean_chance(chances: Sequence[float], clusters: Sequence[Hashable], trials: float) -> Estimate:
    """The mean of chances, each estimated from draws that amount to so many independent trials together.

    Chances near 0 or 1 lie close together, and Student's t of few of them would be too sure.
    """
    found = mean_over(chances, clusters)
    if found.stderr is None or _binary(chances):
        return found
    return replace(found, ci95=_clustered_interval(found.value, found.stderr, trials, found.n))


def mean_of(values: Sequence[float]) -> Estimate:
    """The mean of independent values."""
    n = _count(values)
    mean = math.fsum(values) / n
    if _binary(values):
        return Estimate(mean, math.sqrt(mean * (1 - mean) / n), _proportion_interval(mean, n), n)
    if n == 1:
        return Estimate(mean, None, None, n)
    stderr = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1) / n)
    return Estimate(mean, stderr, _t_interval(mean, stderr, n - 1, values), n)


def clustered_mean(values: Sequence[float], clusters: Sequence[Hashable]) -> Estimate:
    """The mean of values that come in clusters (rotations of one question), each cluster one draw.

    The variance is the cluster-robust one (CR1) of a regression on a constant: squared sums of
    residuals by cluster, times G / (G - 1). Clusters of unequal size are allowed.
    """
    n = _count(values)
    mean = math.fsum(values) / n
    sums: dict[Hashable, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value - mean
    groups, terms = len(sums), (values, clusters)
    if groups == 1:
        return Estimate(mean, None, None, 1, terms=terms)
    stderr = math.sqrt(math.fsum(s * s for s in sums.values()) * groups / (groups - 1)) / n
    if _binary(values):
        return Estimate(mean, stderr, _clustered_interval(mean, stderr, n, groups), groups, terms=terms)
    return Estimate(mean, stderr, _t_interval(mean, stderr, groups - 1, values), groups, terms=terms)


def wilson(successes: float, n: float) -> tuple[float, float]:
    """Wilson's 95 % interval of a proportion; `n` may be an effective number of trials."""
    if not 0 <= successes <= n or n <= 0:
        raise ValueError(f"{successes} successes of {n}")
    p, z2 = successes / n, Z95 * Z95
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # The ends are exactly 0 and 1 there; rounding must not move them.
    return (0.0 if p == 0 else max(0.0, middle - half), 1.0 if p == 1 else min(1.0, middle + half))


def _count(values: Sequence[float]) -> int:
    if not values:
        raise ValueError("a mean needs at least one value")
    if not all(map(math.isfinite, values)):
        raise ValueError("a mean needs finite values")
    return len(values)


def _binary(values: Sequence[float]) -> bool:
    return all(v in (0, 1) for v in values)


def _proportion_interval(p: float, n: int) -> tuple[float, float]:
    if n < ENOUGH_UNITS or min(p, 1 - p) * n < ENOUGH_OF_EACH:
        return wilson(p * n, n)
    half = Z95 * math.sqrt(p * (1 - p) / n)
    return p - half, p + half


def _clustered_interval(p: float, stderr: float, n: float, groups: int) -> tuple[float, float]:
    """As for independent units, after Korn and Graubard: with the number of them that has this error.

    Where no spread is seen (all right, all wrong) each cluster counts once, which is the least it can
    be worth. A negative correlation within clusters is not taken for more than n values.
    """
    t = t95(groups - 1)
    effective = min(p * (1 - p) / stderr**2, n) if stderr > 0 and 0 < p < 1 else groups
    if groups < ENOUGH_UNITS or min(p, 1 - p) * effective < ENOUGH_OF_EACH:
        effective *= (Z95 / t) ** 2
        return wilson(p * effective, effective)
    return max(0.0, p - t * stderr), min(1.0, p + t * stderr)


def _t_interval(mean: float, stderr: float, freedom: int, values: Sequence[float]) -> tuple[float, float]:
    half = t95(freedom) * stderr
    if all(0 <= v <= 1 for v in values):
        return max(0.0, mean - half), min(1.0, mean + half)
    return mean - half, mean + half
