"""Which checkpoint is the best: by a paired test, and not by the highest figure alone.

The highest of several figures is partly luck. So every other checkpoint is compared with the highest,
question by question; those whose difference could be chance (p of 0.05 or more, after Holm) are as good as
the highest, and of them the earliest is taken: it cost least and had least time to learn data by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlmbench.stats import Difference, holm
from vlmbench.trainers.evaluation.nouns import Candidate, Value

LEVEL = 0.05
RULE = (
    "the earliest checkpoint that a paired test, with Holm's correction, cannot tell from the one with the "
    "highest score"
)

Compare = Callable[[Value, Value], Difference]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A checkpoint beside the highest."""

    candidate: Candidate
    value: Value
    difference: Difference | None
    """Less the highest; None for the highest itself."""
    adjusted_p: float | None

    @property
    def worse(self) -> bool:
        """Whether it can be told from the highest."""
        return self.adjusted_p is not None and self.adjusted_p < LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The best, and how everybody stood."""

    best: Rival
    highest: Rival
    rivals: tuple[Rival, ...]
    """By step, the highest among them."""


def choose(candidates: Sequence[tuple[Candidate, Value]], compare: Compare) -> Choice:
    """The earliest that cannot be told from the highest; `compare(highest, other)` is the paired test."""
    ordered = sorted(candidates, key=lambda pair: pair[0].step)
    top = max(ordered, key=lambda pair: (_figure(pair[1]), -pair[0].step))
    others = [pair for pair in ordered if pair is not top]
    differences = [compare(top[1], value) for _, value in others]
    adjusted = holm([difference.p for difference in differences])
    highest = Rival(candidate=top[0], value=top[1], difference=None, adjusted_p=None)
    rivals = [
        Rival(candidate=candidate, value=value, difference=difference, adjusted_p=p)
        for (candidate, value), difference, p in zip(others, differences, adjusted, strict=True)
    ]
    everybody = tuple(sorted((*rivals, highest), key=lambda rival: rival.candidate.step))
    return Choice(
        best=next(rival for rival in everybody if not rival.worse), highest=highest, rivals=everybody
    )


def _figure(value: Value) -> float:
    return float("-inf") if value.value is None else value.value
