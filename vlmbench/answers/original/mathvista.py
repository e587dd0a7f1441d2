"""MathVista as its authors scored it: `evaluation/extract_answer.py`, then `evaluation/calculate_score.py`.

Extraction: an empty answer, an option's text, and what Python takes for the number that is wanted are read
as they stand; GPT-4 reads the rest. What it said is a judgment that must be stored (`--judgments`).

Scoring: of multiple choice, a letter in brackets anywhere, else a letter alone, else the option with the
fewest letters to change; a whole number is cut after the point, a decimal rounded; a list is compared as
text.

Faults: in multiple choice nothing is unread: an empty answer or a refusal is the option nearest to it,
mostly the shortest; a small `b` is no letter, `(x)` is taken for one. `3.9` is 3, `1,000` and `12 cm` are
no numbers, `[1,2]` is not `[1, 2]`. A free answer of type `text` stops the script; such a row has no value
here.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence

from vlmbench.answers.edit_distance import levenshtein
from vlmbench.answers.mathvista import CHOICE, FLOAT, INTEGER, LIST
from vlmbench.answers.original.rows import Reading
from vlmbench.answers.references import members_of

NO_NUMBER = "no number of the kind wanted"

_BRACKETED = re.compile(r"\(([a-zA-Z])\)")


def extraction_of(cells: Mapping[str, str], answer: str) -> str | None:
    """What the authors' rules take out of an answer; None where they ask GPT-4."""
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


def read(cells: Mapping[str, str], extraction: str) -> Reading:
    """What an extract is worth; `found` is the form in which it is compared."""
    kind = CHOICE if cells.get("question_type") == CHOICE else cells.get("answer_type")
    if kind == CHOICE:
        options = options_of(cells)
        if not options:
            return Reading(None, None, "no options: `choices` is no list")
        return _beside(cells, chosen(extraction.strip(), options))
    if kind not in (INTEGER, FLOAT, LIST):
        return Reading(None, None, "no rule for this type of answer")
    return _beside(cells, _free(cells, extraction, kind))


def options_of(cells: Mapping[str, str]) -> tuple[str, ...]:
    """The texts of the options."""
    return members_of(cells.get("choices", "")) or ()


def chosen(extraction: str, options: Sequence[str]) -> str:
    """The option that an extract names or comes nearest to; the first of several."""
    bracketed = _BRACKETED.search(extraction)
    said = bracketed[1].upper() if bracketed else extraction
    letters = string.ascii_uppercase[: len(options)]
    if len(said) == 1 and said in letters:
        return options[letters.index(said)]
    return min(options, key=lambda option: levenshtein(said, option))


def _free(cells: Mapping[str, str], extraction: str, kind: str) -> str | None:
    try:
        if kind == INTEGER:
            return str(int(float(extraction)))
        if kind == FLOAT:
            return str(round(float(extraction), int(float(cells["precision"]))))
    except (ValueError, OverflowError, KeyError):
        return None
    return extraction


def _beside(cells: Mapping[str, str], found: str | None) -> Reading:
    return Reading(found, float(found == cells.get("answer")), NO_NUMBER if found is None else "")
