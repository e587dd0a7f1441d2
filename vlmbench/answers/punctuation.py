"""The punctuation routine that VLMEvalKit's yes/no and VQA rules share, faults included.

It descends from the VQA challenge's. Each mark is deleted where it stands next to a blank anywhere in
the text and becomes a blank otherwise; one number such as `1,000` makes every mark be deleted. Full
stops that touch no digit are deleted, 32 of them at most: a flag's number is passed as a count there. Until
2025-05-13 those after a digit were deleted too, unless another digit followed.
"""

from __future__ import annotations

import re
from functools import lru_cache

MARKS = frozenset(';/[]"{}()=+\\_-><@`,?!')
MOST_STOPS = 32

_GROUPED_NUMBER = re.compile(r"\d,\d")
_STOP = re.compile(r"(?<!\d)\.(?!\d)")
_STOP_2024 = re.compile(r"\.(?!\d)")


@lru_cache(maxsize=1 << 15)
def without_punctuation(text: str, *, as_in_2024: bool = False) -> str:
    """The text as those rules see it, or saw it in 2024."""
    marks = MARKS.intersection(text)
    if marks:
        delete_all = "," in marks and _GROUPED_NUMBER.search(text) is not None
        kept: dict[str, str | int | None] = {
            m: "" if delete_all or f"{m} " in text or f" {m}" in text else " " for m in marks
        }
        text = text.translate(str.maketrans(kept))
    stop = _STOP_2024 if as_in_2024 else _STOP
    return stop.sub("", text, count=MOST_STOPS) if "." in text else text
