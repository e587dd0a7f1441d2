"""VLMEvalKit's way of finding an option without a judge, in the three forms it has had.

Published leaderboard figures rest on these, faults included, so nothing here is to be mended:
`strict` is where the faults are mended.

    2024      a letter counts wherever it stands; option texts are looked for in answers of any length
    2025-08   a letter counts only among the last four words; option texts only in short answers
    current   as 2025-08, and `answer is` followed by a letter from A to D, even inside a word
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from vlmbench.answers.found import Found

Generation = Literal["vlmevalkit", "vlmevalkit-2025-08", "vlmevalkit-2024"]

FAILED_CALL = "Failed to obtain answer via API"
REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)
REFUSED = "Z"
"""A refusal is an answer like any other here: resolved, and wrong."""

_BLANKED = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_STATED = re.compile(r"answer\s+is\s+\**([A-D])", re.IGNORECASE)
_LAST_WORDS = 4


def find(generation: Generation, answer: str, choices: Mapping[str, str]) -> Found:
    """The option named by letter, else the only one whose text is in the answer."""
    return _by_letter(generation, answer, choices) or _by_text(generation, answer, choices)


def _by_letter(generation: Generation, answer: str, choices: Mapping[str, str]) -> Found | None:
    if FAILED_CALL in answer:
        return None
    if any(refusal in answer for refusal in REFUSALS):
        return Found(letter=REFUSED, reason="refusal")
    words = answer.translate(_BLANKED).split()
    named = choices.keys() & set(words)
    if not named and REFUSED in words:
        return Found(letter=REFUSED, reason="the letter Z")
    if len(named) == 1:
        (letter,) = named
        if generation == "vlmevalkit-2024" or words.index(letter) >= len(words) - _LAST_WORDS:
            return Found(letter=letter, reason="only letter named")
    return _by_statement(answer, choices) if generation == "vlmevalkit" else None


def _by_statement(answer: str, choices: Mapping[str, str]) -> Found | None:
    stated = _STATED.search(answer)
    if stated is None or stated[1].upper() not in choices:
        return None
    return Found(letter=stated[1].upper(), reason="after `answer is`")


def _by_text(generation: Generation, answer: str, choices: Mapping[str, str]) -> Found:
    folded = answer.lower()
    if generation != "vlmevalkit-2024" and len(folded) > 2 * sum(map(len, choices.values())):
        return Found(letter=None, reason="no letter, and too long to look for option texts")
    held = [letter for letter, text in choices.items() if text.lower() in folded]
    if len(held) == 1:
        return Found(letter=held[0], reason=f"text of option {held[0]}")
    reason = "several options' texts" if held else "neither letter nor text of an option"
    return Found(letter=None, reason=reason)
