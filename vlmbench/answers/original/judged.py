"""The evaluators that need GPT-4's judgments, which must be stored (`--judgments`).

HallusionBench (`evaluation.py` with `utils.py`): GPT-4 judges every answer, so without its judgments nothing
has a value. A judgment with `incorrect` in it means that, one with `correct` means that, anything else is
`unclear`. The digits 0, 1 and 2 of the result files are read as well. `unclear` is right for one kind of row:
a question of the category VS without its picture (figure 0). Fault: a judgment such as `not correct` is
right.

MathVista (`evaluation/extract_answer.py`, then `evaluation/calculate_score.py`): an empty answer, an option's
text, and what Python takes for the number that is wanted are read as they stand; from the rest GPT-4
extracts. Of multiple choice, a letter in brackets anywhere decides, else a letter alone, else the option with
the fewest letters to change; a whole number is cut after the point, a decimal rounded; a list is compared as
text. Faults: in multiple choice nothing is unread: an empty answer or a refusal is the option nearest to it,
mostly the shortest; a small `b` is no letter, `(x)` is taken for one. `3.9` is 3, `1,000` and `12 cm` are no
numbers, `[1,2]` is not `[1, 2]`. A free answer of type `text` stops the script; such a row has no value here.

MM-Vet (`mm-vet_evaluator.py`): GPT-4 gives a grade from 0 to 1, once or in several runs. Every figure is a
mean over the runs, rounded to one decimal of a percentage as numpy rounds; `std` is the spread of the runs.
Faults: after five replies without a grade a row gets 0. The names of sets of abilities come in an order that
changes with every start of Python; here they come in the order of the file.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from vlmbench.answers.judge import AWAITS_JUDGE
from vlmbench.answers.mathvista import CHOICE, FLOAT, INTEGER, LIST
from vlmbench.answers.original import Verdict
from vlmbench.answers.scores import members_of, numpy_mean
from vlmbench.answers.short import levenshtein
from vlmbench.domain import Sample

INCORRECT, CORRECT, UNCLEAR = "incorrect", "correct", "unclear"
NO_NUMBER = "no number of the kind wanted"

_DIGITS = {"0": INCORRECT, "1": CORRECT, "2": UNCLEAR}
_BRACKETED = re.compile(r"\(([a-zA-Z])\)")


def read_hallusionbench(sample: Sample, answer: str) -> Verdict:
    """HallusionBench: no answer is read without a judgment of it."""
    return Verdict(None, None, AWAITS_JUDGE)


def judged_hallusionbench(sample: Sample, judgment: str) -> Verdict:
    """HallusionBench: what the answer is worth after GPT-4's judgment."""
    verdict = verdict_of(judgment)
    right = verdict == CORRECT or (verdict == UNCLEAR and without_picture(sample.id))
    return Verdict(verdict, float(right), "read by the judge")


def verdict_of(judgment: str) -> str:
    """`correct`, `incorrect` or `unclear`: the verdict in a stored judgment."""
    text = judgment.strip().lower()
    if text in _DIGITS:
        return _DIGITS[text]
    return next((verdict for verdict in (INCORRECT, CORRECT) if verdict in text), UNCLEAR)


def without_picture(index: str) -> bool:
    """Whether a row asks for knowledge alone: figure 0 of the category VS, as in `VS_chart_0_3_0_1`."""
    return index.startswith("VS_") and index.split("_")[-2:-1] == ["0"]


def extraction_of(cells: Mapping[str, str], answer: str) -> str | None:
    """MathVista: what the authors' rules take out of an answer; None where they ask GPT-4."""
    if answer == "" or (cells.get("question_type") == CHOICE and answer in options_of(cells)):
        return answer
    try:
        if cells.get("answer_type") == INTEGER:
            return str(int(answer))
        if cells.get("answer_type") == FLOAT:
            return str(float(answer))
    except ValueError:
        pass
    return None


def read_mathvista(cells: Mapping[str, str], extraction: str) -> Verdict:
    """MathVista: what an extract is worth; `found` is the form in which it is compared."""
    kind = CHOICE if cells.get("question_type") == CHOICE else cells.get("answer_type")
    if kind == CHOICE:
        options = options_of(cells)
        if not options:
            return Verdict(None, None, "no options: `choices` is not a list")
        return _beside(cells, chosen(extraction.strip(), options))
    if kind not in (INTEGER, FLOAT, LIST):
        return Verdict(None, None, "no rule for this type of answer")
    return _beside(cells, _free(cells, extraction, kind))


def options_of(cells: Mapping[str, str]) -> tuple[str, ...]:
    """The texts of the options."""
    return members_of(cells.get("choices", "")) or ()


def chosen(extraction: str, options: Sequence[str]) -> str:
    """The option that an extract names or comes nearest to; the first of several."""
    bracketed = _BRACKETED.search(extraction)
    named = bracketed[1].upper() if bracketed else extraction
    letters = string.ascii_uppercase[: len(options)]
    if len(named) == 1 and named in letters:
        return options[letters.index(named)]
    return min(options, key=lambda option: levenshtein(named, option))


def _free(cells: Mapping[str, str], extraction: str, kind: str) -> str | None:
    try:
        if kind == INTEGER:
            return str(int(float(extraction)))
        if kind == FLOAT:
            return str(round(float(extraction), int(float(cells["precision"]))))
    except (ValueError, OverflowError, KeyError):
        return None
    return extraction


def _beside(cells: Mapping[str, str], found: str | None) -> Verdict:
    return Verdict(found, float(found == cells.get("answer")), NO_NUMBER if found is None else "")


def read_mmvet(grades: str) -> Verdict:
    """MM-Vet: the mean of the grades of all runs, which stand with blanks between them."""
    found = grades_in(grades)
    if not found:
        return Verdict(None, None, "the grade is not a number from 0 to 1")
    return Verdict(" ".join(map(str, found)), numpy_mean(found))


def grades_in(text: str) -> tuple[float, ...]:
    """The grades of the runs; none if one of them is not a number from 0 to 1."""
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

    return float(np.round(value, 1))
