"""GQA as LLaVA scores it with its authors' script: `scripts/convert_gqa_for_eval.py`, then GQA's `eval.py`.

The first takes full stops off the end and writes small letters; the second compares the whole text with the
reference.

Faults: blanks around the answer, `a dog`, `yes!` and `Yes, it is` are wrong, as is any reference with a
capital.
"""

from __future__ import annotations

from vlmbench.answers.original.rows import Reading
from vlmbench.domain import Sample


def read(sample: Sample, answer: str) -> Reading:
    """Right where the answer, in small letters and without full stops at its end, is the reference."""
    said = answer.rstrip(".").lower()
    return Reading(said or None, float(said == sample.cells.get("answer")), "" if said else "empty answer")
