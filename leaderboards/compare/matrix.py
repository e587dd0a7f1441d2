"""More than two runs as a square: each against each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlmbench.leaderboards.compare.nouns import Comparison
from vlmbench.leaderboards.compare.text import change, score


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The run of the column less the run of the row."""

    change: str
    """In points, with a star where the two can be told apart."""
    interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Every run of one benchmark beside every other."""

    scores: Mapping[str, str]
    """By name, in the order of the command line."""
    cells: Mapping[tuple[str, str], Cell]
    """By row and column; a pair that was refused is absent."""


def matrix_of(comparisons: Sequence[Comparison]) -> Matrix:
    """The square that the pairs of one benchmark make; each was compared one way round."""
    scores: dict[str, str] = {}
    cells: dict[tuple[str, str], Cell] = {}
    for comparison in comparisons:
        first, second = comparison.first, comparison.second
        for side in (first, second):
            scores.setdefault(side.name, score(comparison.fraction, side.value))
        cells[first.name, second.name] = _cell(comparison, 1)
        cells[second.name, first.name] = _cell(comparison, -1)
    return Matrix(scores=scores, cells=cells)


def _cell(comparison: Comparison, sign: int) -> Cell:
    told = "*" * (comparison.verdict != "cannot be told apart")
    ends = sorted(sign * end for end in comparison.difference.ci95 or ())
    return Cell(
        change=change(comparison.fraction, sign * comparison.difference.value) + told,
        interval=" … ".join(change(comparison.fraction, end) for end in ends),
    )
