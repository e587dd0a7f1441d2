"""Several draws of each question: pass@k without bias, and how far scores lie apart within and between.

With n draws of a question of which c are right, pass@k is the share of all choices of k among the n draws
that have a right one: 1 - C(n-c, k) / C(n, k). pass@1 is the mean c/n, pass@n whether any draw is right.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def pass_at(k: int, draws: int, right: int) -> float:
    """The chance that k of these draws, chosen at random, have a right one among them."""
    if not 0 <= right <= draws or not 1 <= k <= draws:
        raise ValueError(f"{k} of {draws} draws, {right} of them right")
    return 1 - math.comb(draws - right, k) / math.comb(draws, k)


def budgets(draws: int) -> list[int]:
    """The k of pass@k that are shown: 1, 2, 4, 8, … and the number of draws."""
    return sorted({draws, *(2**power for power in range(draws.bit_length()) if 2**power <= draws)})


def variances(questions: Sequence[Sequence[float]]) -> tuple[float, float]:
    """The variance of draws within a question, and of questions themselves; each has as many draws.

    Within: the mean of the questions' variances. Between: the variance of their means less within / draws,
    which the draws add to it by chance; where that is more than all of it, the result is negative.
    """
    draws = len(questions[0])
    if len(questions) < 2 or draws < 2 or any(len(values) != draws for values in questions):
        raise ValueError("a spread needs two questions of two draws each, at least")
    within = math.fsum(map(_variance, questions)) / len(questions)
    return within, _variance([math.fsum(values) / draws for values in questions]) - within / draws


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)
