"""Texts of strangers for the page: whole where that is bearable, else cut with their full length said."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from vlmbench.plain_text import encodable

LIMITS = (20_000, 5_000, 1_000, 300)
BEARABLE = 6_000_000
"""Characters of one kind (answers, prompts) that a page of a few tens of megabytes can carry."""

NAME = 1_000
"""Characters of a category's name; the page draws fewer and has the whole to point at."""

Shown = str | list[Any]
"""The text, or `[its beginning, how long it was]`."""


def limit_for(lengths: Iterable[int]) -> int:
    """How much of each text is shown, so that all together stay bearable."""
    known = list(lengths)
    fitting = (limit for limit in LIMITS if sum(min(n, limit) for n in known) <= BEARABLE)
    return next(fitting, LIMITS[-1])


def shown(text: str, limit: int) -> Shown:
    """The text as the page gets it."""
    return encodable(text) if len(text) <= limit else [encodable(text[:limit]), len(text)]


def json_for_html(value: Any) -> str:
    """JSON that stands inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
