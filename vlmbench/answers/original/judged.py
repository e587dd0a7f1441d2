"""HallusionBench as its authors scored it: `evaluation.py` with `utils.py`.

GPT-4 judges every answer, so without its stored judgments nothing has a value. A judgment that says
`incorrect` is that, one that says `correct` is that, anything else is `unclear`. The digits 0, 1 and 2 of
the result files are read as well. `unclear` is right for one kind of row: a question of the category VS
without its picture (figure 0).

Fault: a judgment such as `not correct` is right.
"""

from __future__ import annotations

from vlmbench.answers.judged import AWAITS_JUDGE
from vlmbench.answers.original.rows import Reading
from vlmbench.domain import Sample

INCORRECT, CORRECT, UNCLEAR = "incorrect", "correct", "unclear"
_DIGITS = {"0": INCORRECT, "1": CORRECT, "2": UNCLEAR}


def read(sample: Sample, answer: str) -> Reading:
    """No answer is read without a judgment of it."""
    return Reading(None, None, AWAITS_JUDGE)


def read_judgment(sample: Sample, judgment: str) -> Reading:
    """What the answer is worth after GPT-4's judgment."""
    verdict = verdict_of(judgment)
    right = verdict == CORRECT or (verdict == UNCLEAR and without_picture(sample.id))
    return Reading(verdict, float(right), "read by the judge")


def verdict_of(judgment: str) -> str:
    """What a stored judgment says of an answer."""
    text = judgment.strip().lower()
    if text in _DIGITS:
        return _DIGITS[text]
    return next((verdict for verdict in (INCORRECT, CORRECT) if verdict in text), UNCLEAR)


def without_picture(index: str) -> bool:
    """Whether a row asks for knowledge alone: figure 0 of the category VS, as in `VS_chart_0_3_0_1`."""
    return index.startswith("VS_") and index.split("_")[-2:-1] == ["0"]
