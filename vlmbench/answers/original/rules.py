"""ScienceQA as LLaVA scored it: `llava/eval/eval_science_qa.py`.

An answer is an option's letter, begins with `B. `, or says `The answer is B.` once; anything else is wrong.
The script also holds a draw at random, behind a return: nothing is ever drawn.

Faults: `b`, `(B)`, `B.` and `B.\\n` are wrong; the full stop of `The answer is B.` stands for any character
but a line break, and what begins a word counts (`The answer is Both` says B).
"""

from __future__ import annotations

import re

from vlmbench.answers.original.rows import Reading
from vlmbench.domain import Sample

OPTIONS = "ABCDE"
_STATED = re.compile(r"The answer is ([A-Z]).")


def read(sample: Sample, answer: str) -> Reading:
    """The letter that the answer names."""
    letter = letter_of(answer)
    if letter is None:
        return Reading(None, 0.0, "no option named")
    if letter not in sample.choices or letter not in OPTIONS:
        return Reading(letter, 0.0, f"letter {letter} is not an option")
    return Reading(letter, float(letter in sample.references))


def letter_of(answer: str) -> str | None:
    """A, B, …; None where the script says `FAILED`."""
    if len(answer) == 1 and answer in OPTIONS:
        return answer
    if answer[1:3] == ". " and answer[0] in OPTIONS:
        return answer[0]
    stated = _STATED.findall(answer)
    return str(stated[0]) if len(stated) == 1 else None
