"""MME as its authors scored it: `eval_tool/calculation.py`.

The first four characters of the answer in small letters decide: `yes` anywhere in them, else `no` anywhere
in them, else the answer is `other`, which is wrong.

Faults: `None`, `Now`, `I no` and `Not` say No, `The answer is yes` is `other`, as are full-width and quoted
long answers. The script reads a table with tabs, so it stops at an answer that holds a tab or a line break;
such an answer is read here by the same rule.
"""

from __future__ import annotations

from vlmbench.answers.original.rows import Reading
from vlmbench.answers.yes_no import NO, YES
from vlmbench.domain import Sample

SEEN = 4
"""Characters of an answer that are looked at."""


def read(sample: Sample, answer: str) -> Reading:
    """Yes, No, or neither."""
    seen = answer.lower()[:SEEN]
    word = YES if "yes" in seen else NO if "no" in seen else None
    right = bool(sample.references) and word == sample.references[0].strip().capitalize()
    return Reading(word, float(right), "" if word else "neither yes nor no in the first 4 characters")
