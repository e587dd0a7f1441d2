"""MMStar as its authors scored it: `eval/vlmeval/evaluate/mmstar.py`.

In small letters and without blanks around it, the answer must begin with the right letter, with `(` and the
letter, with `option ` and the letter, or with `the answer is ` and the letter. Only the right letter is
looked for, so a wrong answer is never parsed: the letter shown here is the one that stands where the right
one would have to.

Faults: any word that begins with the right letter is right (`dog` where D is), and so is `a cat` where A
is.
"""

from __future__ import annotations

from vlmbench.answers.original.rows import Reading
from vlmbench.domain import Sample

_BEFORE = ("", "(", "option ", "the answer is ")


def read(sample: Sample, answer: str) -> Reading:
    """Right where the right letter stands in one of the four places."""
    text = answer.lower().strip().replace("\n", " ")
    wanted = sample.references[0].lower().strip().replace("\n", " ") if sample.references else None
    letters = [text[len(before)] for before in _BEFORE if text.startswith(before) and len(text) > len(before)]
    if wanted in letters:
        return Reading(wanted.upper(), 1.0, "")
    known = [letter.upper() for letter in letters if letter.upper() in sample.choices]
    return Reading(known[-1] if known else None, 0.0, "" if known else "no option named")
