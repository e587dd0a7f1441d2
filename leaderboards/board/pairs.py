"""Every model of a column tested against every other one, by the tests of `vlmbench.stats`, many at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from vlmbench.leaderboards.board.scores import Units
from vlmbench.stats.distributions import mcnemar_each, t_beyond_each
from vlmbench.stats.paired import FEW_CLUSTERS

Numbers = np.ndarray[Any, np.dtype[np.float64]]
Places = np.ndarray[Any, np.dtype[np.intp]]
_NOTHING = 1e-12
"""Values closer to 0 are rounding errors."""


def pair_tests(units: Sequence[Units]) -> tuple[Numbers, Numbers]:
    """For each pair the difference, second minus first, and its p; nan where there is no test.

    All have the same keys and use the clusters of the first.
    """
    count = len(units)
    rows, columns = np.triu_indices(count, 1)
    simple = np.array([u.bits is not None for u in units])
    exact = simple[rows] & simple[columns]
    p, difference = np.full(rows.shape, np.nan), np.zeros(rows.shape)
    if not exact.all():
        difference, p = _clustered(units, rows, columns)
    if exact.any():
        better = _only_second_right(units)
        up, down = better[rows, columns][exact], better[columns, rows][exact]
        difference[exact] = (up - down) / len(units[0].keys)
        p[exact] = mcnemar_each(np.minimum(up, down), np.maximum(up, down))
    against, known = np.zeros((count, count)), np.zeros((count, count))
    against[rows, columns], against[columns, rows] = difference, -difference
    known[rows, columns] = known[columns, rows] = p
    return against, known


def holm_each(p: Numbers) -> Numbers:
    """Holm's adjusted p-values of each row, whose tests, all but the one on the diagonal, are one family."""
    count = len(p)
    open_ = np.where(np.eye(count, dtype=bool), np.inf, p)
    order = np.argsort(open_, axis=1, kind="stable")
    left = np.maximum(np.arange(count - 1, -1, -1), 1)
    stepped = np.minimum(np.maximum.accumulate(np.take_along_axis(open_, order, axis=1) * left, axis=1), 1.0)
    adjusted: Numbers = np.empty_like(stepped)
    np.put_along_axis(adjusted, order, stepped, axis=1)
    np.fill_diagonal(adjusted, np.nan)
    return adjusted


def _only_second_right(units: Sequence[Units]) -> Numbers:
    """[i, j]: how many questions model j answers right and model i does not."""
    size = len(units[0].keys)
    none = bytes(size)
    right = np.array(
        [
            np.frombuffer(none if u.bits is None else u.bits.to_bytes(size, "big"), dtype=np.uint8)
            for u in units
        ],
        dtype=np.float64,
    )
    both = right @ right.T
    alone: Numbers = right.sum(axis=1)[None, :] - both
    return alone


def _clustered(units: Sequence[Units], rows: Places, columns: Places) -> tuple[Numbers, Numbers]:
    """Student's t on the sums of clusters, or exact sign flips where few clusters differ."""
    sums, sizes = _by_cluster(units)
    groups, n = len(sizes), len(units[0].keys)
    means = sums.sum(axis=1) / n
    centred = sums - means[:, None] * sizes
    value, spread, flips = np.zeros(rows.shape), np.zeros(rows.shape), np.zeros(rows.shape)
    end = 0
    # Subtract first, then square: a difference of squares would be lost in rounding.
    for first in range(len(units) - 1):
        start, end = end, end + len(units) - 1 - first
        apart = centred[first + 1 :] - centred[first]
        spread[start:end] = np.einsum("ij,ij->i", apart, apart)
        value[start:end] = means[first + 1 :] - means[first]
        flips[start:end] = _flips(sums[first + 1 :] - sums[first])
    value[np.abs(value) <= _NOTHING] = 0.0
    if groups == 1:
        return value, np.full(rows.shape, np.nan)
    stderr = np.sqrt(spread * groups / (groups - 1)) / n
    alike = stderr <= _NOTHING * np.maximum(1.0, np.abs(value))
    p = np.where(value == 0, 1.0, 2.0 ** (1 - groups))
    p[~alike] = np.maximum(t_beyond_each(value[~alike] / stderr[~alike], groups - 1), flips[~alike])
    return value, p


def _by_cluster(units: Sequence[Units]) -> tuple[Numbers, Numbers]:
    """Sums of models × clusters, and the clusters' sizes."""
    numbers = {cluster: number for number, cluster in enumerate(dict.fromkeys(units[0].clusters))}
    of_row = np.array([numbers[cluster] for cluster in units[0].clusters])
    sums = [np.bincount(of_row, weights=np.array(u.values), minlength=len(numbers)) for u in units]
    return np.array(sums), np.bincount(of_row).astype(np.float64)


def _flips(sums: Numbers) -> Numbers:
    """Per row, the share of all sign flips whose sum is as far from 0; 0 where too many clusters differ."""
    shares = np.zeros(len(sums))
    moved = np.abs(sums) > _NOTHING
    few = np.flatnonzero(moved.sum(axis=1) <= FEW_CLUSTERS)
    for number in few:
        each = np.abs(sums[number][moved[number]])
        far = np.abs(_signs(len(each)) @ each)
        shares[number] = np.mean(far >= abs(sums[number].sum()) * (1 - 1e-9))
    return shares


@cache
def _signs(count: int) -> Numbers:
    """Every combination of signs; the first sign is fixed, as flipping all changes no distance."""
    return np.array([(1.0, *rest)[:count] for rest in product((1.0, -1.0), repeat=max(count - 1, 0))])
