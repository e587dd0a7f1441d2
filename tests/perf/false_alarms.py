"""How often each paired test finds a difference where there is none, and how often one that is there.

python tests/perf/false_alarms.py
"""

from __future__ import annotations

import numpy as np
from numpy.random import Generator, default_rng

from vlmbench.stats import Difference, clustered_difference, paired_difference, paired_proportions

TRIALS = 10_000


def rate(found: list[Difference]) -> str:
    return f"{100 * sum(f.significant for f in found) / len(found):.1f} %"


def shares(draw: Generator, groups: int) -> list[float]:
    """Rows of questions of four that follow their question's fate four times of five."""
    fate = np.repeat(draw.random(groups) < 0.6, 4)
    return np.where(draw.random(4 * groups) < 0.8, fate, draw.random(4 * groups) < 0.6).astype(float).tolist()


def clustered(groups: int) -> None:
    draw = default_rng(groups)
    tables = [(shares(draw, groups), shares(draw, groups)) for _ in range(TRIALS // 5)]
    clusters = [i // 4 for i in range(4 * groups)]
    right = rate([clustered_difference(a, b, clusters) for a, b in tables])
    naive = rate([paired_difference(a, b, range(4 * groups)) for a, b in tables])
    print(
        f"{groups} questions of 4 rows, no difference: clustered {right}, as if rows were independent {naive}"
    )


def proportions(n: int, apart: float) -> None:
    draw = default_rng(n)
    for name, shift in (("no difference", 0.0), ("the smallest it promises", None)):
        if shift is None:
            shift = paired_proportions(int(n * apart / 2), int(n * apart / 2), n).smallest or 0.0
        split = draw.multinomial(n, [(apart + shift) / 2, (apart - shift) / 2, 1 - apart], TRIALS).tolist()
        exact = rate([paired_proportions(b, c, n) for b, c, _ in split])
        middle = rate([paired_proportions(b, c, n, mid_p=True) for b, c, _ in split])
        print(f"{n} questions, {apart:.0%} right in one run only, {name}: exact {exact}, mid-p {middle}")


if __name__ == "__main__":
    clustered(60)
    clustered(250)
    proportions(300, 0.2)
    proportions(1164, 0.1)
