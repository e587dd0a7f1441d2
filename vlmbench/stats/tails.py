"""Tails of Student's t and the even binomial for many tests at once; `points` has them for one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

_TINY = 1e-300
_STEPS = 500
Numbers = np.ndarray[Any, np.dtype[np.float64]]


def t_beyond_each(t: Numbers, freedom: int) -> Numbers:
    """The share of Student's t that lies further from 0 than each of these, on both sides."""
    half = freedom / 2
    log = math.lgamma(half + 0.5) - math.lgamma(half) - math.lgamma(0.5)
    x = freedom / (freedom + t * t)
    return _beta_share(x, np.full(t.shape, half), np.full(t.shape, 0.5), np.full(t.shape, log))


def mcnemar_each(fewer: Numbers, more: Numbers) -> Numbers:
    """McNemar's exact p for each split: twice the binomial's tail, which is a share of the beta function."""
    p = np.ones(fewer.shape)
    uneven = fewer < more
    k, n = fewer[uneven], (fewer + more)[uneven]
    most = int(n.max()) if n.size else 0
    logs = np.array([0.0, *map(math.lgamma, range(1, most + 2))])
    a, b = n - k, k + 1
    whole = logs[(n + 1).astype(int)] - logs[a.astype(int)] - logs[b.astype(int)]
    p[uneven] = np.minimum(1.0, 2 * _beta_share(np.full(n.shape, 0.5), a, b, whole))
    return p


def _beta_share(x: Numbers, a: Numbers, b: Numbers, log: Numbers) -> Numbers:
    """The regularised incomplete beta function; `log` is that of the whole one's inverse."""
    with np.errstate(divide="ignore"):
        front = np.exp(log + a * np.log(x) + b * np.log1p(-x))
    turned = x >= (a + 1) / (a + b + 2)
    x, a, b = np.where(turned, 1 - x, x), np.where(turned, b, a), np.where(turned, a, b)
    share = front * _fraction(x, a, b) / a
    return np.where(turned, 1 - share, share)


def _fraction(x: Numbers, a: Numbers, b: Numbers) -> Numbers:
    """The continued fraction of the incomplete beta function, after Lentz."""
    upper, lower = np.ones(x.shape), 1 / _safe(1 - (a + b) * x / (a + 1))
    value = lower
    for m in range(1, _STEPS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        before = value
        for term in (even, odd):
            lower = 1 / _safe(1 + term * lower)
            upper = _safe(1 + term / upper)
            value = value * lower * upper
        if np.all(np.abs(value - before) <= 1e-15 * np.abs(value)):
            break
    return value


def _safe(value: Numbers) -> Numbers:
    return np.where(np.abs(value) > _TINY, value, _TINY)
