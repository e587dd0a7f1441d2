"""SEED-Bench: its authors' `eval.py`, and LLaVA's `scripts/convert_seed_for_submission.py` for words.

The authors' script never reads an answer. It ranks the options by the likelihood of their texts, writes the
first as a letter, and compares letters, as their leaderboard does with uploaded files. An answer in words
has no place there; LLaVA's script compares it whole. Both agree wherever the answer is a letter.

Faults: `B.`, `b`, `(B)` and the option's own text are wrong.
"""

from __future__ import annotations

from vlmbench.answers.original.rows import Reading
from vlmbench.domain import Sample

OPTIONS = "ABCD"


def read(sample: Sample, answer: str) -> Reading:
    """Right where the whole answer is the right letter."""
    letter = answer if len(answer) == 1 and answer in OPTIONS else None
    return Reading(letter, float(answer in sample.references), "" if letter else "not one letter from A to D")
