"""OCRBench as its authors scored it: `OCRBench/example.py` and every script beside it.

Right when a reference stands anywhere in the answer, in small letters and with blanks for line breaks. In
HME100k (handwritten formulas) case counts and blanks and line breaks are removed.

Faults: `3` is found in `page 13`; an empty reference is found in anything.
"""

from __future__ import annotations

from vlmbench.answers.contains import match_contained
from vlmbench.answers.original.rows import Reading
from vlmbench.answers.scores import accepted
from vlmbench.domain import Sample


def read(sample: Sample, answer: str, *, formula: bool) -> Reading:
    """Whether any reference is part of the answer. VLMEvalKit took this rule over as it is."""
    found = match_contained(answer, accepted(sample), "vlmevalkit", formula=formula)
    return Reading(found.answer or None, found.value, "" if found.answer else "empty answer")
