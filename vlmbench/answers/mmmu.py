"""MMMU under the vlmevalkit rules: open questions become questions with two options."""

from __future__ import annotations

from dataclasses import replace

from vlmbench.answers.views import MISSING
from vlmbench.domain import Sample

OTHER = "Other Answers"


def as_choice_question(sample: Sample) -> Sample:
    """A question without an option A asks for its own gold text (A) against any other (B).

    The gold is taken as written, so a list of accepted answers is matched with its brackets, and
    a gold that is not one capital letter becomes `A`. A gold that happens to be a capital letter
    stays a letter.
    """
    gold = sample.cells.get("answer") or (sample.references[0] if sample.references else None)
    if gold in MISSING:
        gold = None
    choices = dict(sample.choices)
    if "A" not in choices:
        choices |= {"B": OTHER} if gold is None else {"A": gold, "B": OTHER}
    letter = gold if gold is not None and len(gold) == 1 and "A" <= gold <= "Z" else "A"
    if letter in sample.references and choices == sample.choices:
        return sample
    return replace(sample, choices=dict(sorted(choices.items())), references=(letter,))
