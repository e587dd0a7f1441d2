"""TextVQA as its authors scored M4C, and LLaVA after them: `m4c_evaluator.py`.

Answer and references are brought into one form; each reference is left out in turn, and the answer is worth
a third for each of the others that is equal, one at most. The mean over the ten is the value of the row.

Faults: the `'s` of a possessive becomes a word of its own; a full stop goes unless a digit follows, so `5.`
is `5` and `.5` stays, and only the first 32 of an answer go; commas and question marks vanish between words
that no blank parts. A row without exactly ten references stops the script; it has no value here.
"""

from __future__ import annotations

from vlmbench.answers.original.rows import Reading
from vlmbench.answers.scores import accepted
from vlmbench.answers.vqa import ENOUGH, normalise
from vlmbench.domain import Sample

PEOPLE = 10
"""References of a row."""


def read(sample: Sample, answer: str) -> Reading:
    """The share of people who gave this answer, as the challenge counts it."""
    references = [as_compared(reference) for reference in accepted(sample)]
    said = as_compared(answer)
    if len(references) != PEOPLE:
        return Reading(said or None, None, f"not {PEOPLE} references")
    agree = [reference == said for reference in references]
    worth = [min(1.0, (sum(agree) - one) / ENOUGH) for one in agree] if any(agree) else [0.0]
    return Reading(said or None, sum(worth) / len(worth), "" if said else "empty answer")


def as_compared(text: str) -> str:
    """The VQA form with what M4C does before it; the full stops go as VLMEvalKit's did until 2025."""
    text = text.lower().replace(",", "").replace("?", "").replace("'s", " 's")
    return normalise(text, as_in_2024=True)
