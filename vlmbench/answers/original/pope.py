"""POPE as its authors scored it (`evaluate.py`) and as LLaVA did (`llava/eval/eval_pope.py`): the same rule.

The first sentence says No if one of its words is `No`, `no` or `not`; everything else says Yes.

Faults: an empty answer, a refusal, `NO` and `no:` say Yes; `Yes, there is no doubt` says No. Words are cut
at blanks only, so `No\\nBecause` says Yes. A sentence ends at the first full stop, even within `e.g.`
"""

from __future__ import annotations

from vlmbench.answers.original.rows import Reading
from vlmbench.answers.yes_no import NO, YES
from vlmbench.domain import Sample

_NO = frozenset({"No", "no", "not"})


def read(sample: Sample, answer: str) -> Reading:
    """Yes or No, whatever the answer is."""
    words = answer.partition(".")[0].replace(",", "").split(" ")
    if _NO.intersection(words):
        return _beside(sample, NO, "a word for no")
    return _beside(sample, YES, "no word for no")


def label_of(sample: Sample) -> str:
    """The reference; whatever is not `no` counts as yes."""
    return NO if sample.references[0].strip().lower() == "no" else YES


def _beside(sample: Sample, word: str, reason: str) -> Reading:
    return Reading(word, float(bool(sample.references) and word == label_of(sample)), reason)
