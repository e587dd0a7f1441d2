"""Points and tails of the normal distribution, Student's t and the even binomial.

Scoring a run needs the points only, so scipy is imported in the functions that compute tails.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Numbers = np.ndarray[Any, np.dtype[np.float64]]

Z95 = 1.959963984540054
"""The 97.5 % point of the normal distribution."""

Z80 = 0.8416212335729143
"""Its 80 % point."""

_T95 = (
    12.706205, 4.302653, 3.182446, 2.776445, 2.570582, 2.446912, 2.364624, 2.306004, 2.262157, 2.228139,
    2.200985, 2.178813, 2.160369, 2.144787, 2.131450, 2.119905, 2.109816, 2.100922, 2.093024, 2.085963,
)  # fmt: skip
"""The 97.5 % points of Student's t for 1 to 20 degrees of freedom."""


def t95(freedom: int) -> float:
    """The 97.5 % point of Student's t: a table, then Cornish and Fisher's series (error under 1e-5)."""
    if freedom <= len(_T95):
        return _T95[freedom - 1]
    z, v = Z95, float(freedom)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + sum(term / v**power for power, term in enumerate(terms, 1))


def normal_below(z: float) -> float:
    """The share of the normal distribution below a point."""
    return math.erfc(-z / math.sqrt(2)) / 2


def t_beyond(t: float, freedom: int) -> float:
    """The share of Student's t that lies further from 0 than this, on both sides."""
    from scipy.special import stdtr

    return 2 * float(stdtr(freedom, -abs(t)))


def t_beyond_each(t: Numbers, freedom: int) -> Numbers:
    """The same for many values at once."""
    from scipy.special import stdtr

    shares: Numbers = 2 * stdtr(freedom, -abs(t))
    return shares


def mcnemar_each(fewer: Numbers, more: Numbers) -> Numbers:
    """McNemar's exact p for each split: twice the even binomial's tail, a share of the beta function."""
    import numpy as np
    from scipy.special import betainc

    p = np.ones(fewer.shape)
    uneven = fewer < more
    p[uneven] = np.minimum(1.0, 2 * betainc(more[uneven], fewer[uneven] + 1, 0.5))
    return p
