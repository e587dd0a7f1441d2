"""MMMU under the vlmevalkit rules: open questions become questions with two options."""

from __future__ import annotations

from dataclasses import replace

from vlmbench.answers.toolkits import MISSING
from vlmbench.domain import Sample

OTHER = "Other Answers"


def as_choice_question(sample: Sample) -> Sample:
    """A question without an option A asks for its own gold text (A) against any other (B).

    The gold is taken as written, so a list of accepted answers is matched with its brackets, and
    a gold that is not one capital letter becomes `A`. A gold that happens to be a capital letter
    stays a letter.
    """
    if not sample.references:
        return sample
    gold = sample.cells.get("answer", sample.references[0])
    letter = gold if len(gold) == 1 and "A" <= gold <= "Z" else "A"
    if "A" in sample.choices and (letter,) == sample.references:
        return sample
    choices = dict(sample.choices)
    if "A" not in choices:
        # A gold that pandas takes for an empty cell is no option either.
        choices |= {"B": OTHER} if gold in MISSING else {"A": gold, "B": OTHER}
    return replace(sample, choices=dict(sorted(choices.items())), references=(letter,))
