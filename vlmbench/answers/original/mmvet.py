"""MM-Vet as its authors scored it: `mm-vet_evaluator.py`, from grades that GPT-4 gave.

No answer is read: the script asks GPT-4 for a grade from 0 to 1, once or in several runs, and adds up. The
grades are judgments that must be stored (`--judgments`). Every figure is a mean over the runs, rounded to
one decimal of a percentage as numpy rounds; `std` is the spread of the runs.

Faults: after five replies without a grade a row gets 0. The names of sets of abilities come in an order
that changes with every start of Python; here they come in the order of the file.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.answers.original.rows import Reading
from vlmbench.answers.scores import numpy_mean

PLACES = 1


def read(grades: str) -> Reading:
    """The mean of the grades of all runs, which stand with blanks between them."""
    found = grades_in(grades)
    if not found:
        return Reading(None, None, "the grade is no number from 0 to 1")
    return Reading(" ".join(map(str, found)), numpy_mean(found))


def grades_in(text: str) -> tuple[float, ...]:
    """The grades of the runs; none where one of them is no number from 0 to 1."""
    try:
        grades = tuple(float(part) for part in text.split())
    except ValueError:
        return ()
    return grades if all(0 <= grade <= 1 for grade in grades) else ()


def totals(rows: Sequence[Sequence[float]]) -> list[float]:
    """Of each run that every row has: the mean grade of these rows, in percent."""
    runs = min(map(len, rows))
    return [sum(row[run] for row in rows) / len(rows) * 100 for run in range(runs)]


def rounded(value: float) -> float:
    """To one decimal, as numpy rounds."""
    import numpy as np

    return float(np.round(value, PLACES))
