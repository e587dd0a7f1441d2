"""Is it the same question? Texts compared as people compare them: no blanks, no marks, no instructions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from vlmbench.domain import Sample
from vlmbench.predictions.nouns import Answer

_INSTRUCTIONS = re.compile(
    r"Answer the question using a single word or phrase\."
    r"|Please answer yes or no\."
    r"|Answer with the option's letter from the given choices directly\."
    r"|When the provided information is insufficient, respond with 'Unanswerable'\."
    r"|请直接回答选项字母。"
    r"|<image(?: \d{1,2})?>",
    re.IGNORECASE,
)
_MARKS = re.compile(r"[\W_]+")
_MOST_LINES = 60
_LONG = 4000


def plain(text: str) -> str:
    """Letters and digits only, in lower case, without what prompts add to a question."""
    return _short(text) if len(text) < _LONG else _reduced(text)


@lru_cache(maxsize=1 << 15)
def _short(text: str) -> str:
    return _reduced(text)


def _reduced(text: str) -> str:
    return _MARKS.sub("", _INSTRUCTIONS.sub("", text)).casefold()


def agrees(answer: Answer, sample: Sample) -> bool | None:
    """Whether an answer repeats a row's question and options; None where there is nothing to compare.

    A prompt holds the question, and some tables hold the prompt.
    """
    compared = None
    if answer.question and (asked := plain(answer.question)) and (own := plain(sample.question)):
        compared = own in asked or asked in own
    letters = [letter for letter in answer.options if letter in sample.choices]
    verdicts = [_same_option(answer.options[letter], sample.choices[letter]) for letter in letters]
    if compared is not False and verdicts.count(None) < len(verdicts):
        compared = False not in verdicts
    return compared


def _same_option(theirs: str, own: str) -> bool | None:
    """Whether two texts are one option; None where one of them has neither letter nor digit.

    A spreadsheet that had a gap in the column prints 5 as 5.0.
    """
    left, right = plain(theirs), plain(own)
    if left == right:
        return True if left else None
    if not left or not right:
        return None
    try:
        return float(theirs) == float(own)
    except ValueError:
        return False


def questions_in(prompt: str) -> Iterator[str]:
    """What may be the question of a prompt: the whole, then every run of its lines, longest first."""
    yield plain(prompt)
    lines = [plain(line) for line in prompt.split("\n") if line.strip()]
    count = len(lines)
    if count > _MOST_LINES:
        return
    for length in range(count - 1, 0, -1):
        for start in range(count - length + 1):
            yield "".join(lines[start : start + length])


def shows_options(prompt: str, sample: Sample) -> bool:
    """Whether a prompt shows a row's options in the row's order, if it shows any."""
    shown, at = plain(prompt), 0
    for letter, text in sample.choices.items():
        option = plain(text)
        found = shown.find(plain(letter) + option, at)
        if found < 0:
            return False
        at = found + len(option)
    return True
