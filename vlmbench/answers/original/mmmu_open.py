"""MMMU's open answers under its authors' evaluator: everything in an answer that may be meant.

The answer in small letters is cut at line breaks (the script means to cut at sentences too, but looks for
capitals after it has made them small). Of each line the shortest rest after a word such as `is` or `answer`
counts, after `=` too in the last one; without any, the whole answer. Every number in those rests counts
beside them.

A number equals a reference at two decimals. A text is right if a reference stands anywhere in it, within
words too; references of one character must have a blank on one side.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Meant = str | float

_BEFORE_ANSWERS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = frozenset({":", ",", ".", "!", "?", ";", "'"})
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d\d\d)+\b"),
    re.compile(r"-?\d+(?:\.\d+)?e[+-]?\d+"),
    re.compile(r"-?(?:\d*\.\d+|\d+\b)(?!e[+-]?\d|[,\d])"),
)
"""With thousands separators; with a power of ten; all others."""


def readings_of(answer: str) -> list[Meant]:
    """Texts in small letters, and numbers at two decimals."""
    clauses = _clauses(answer.strip().strip(".").lower())
    numbers = [number for clause in clauses for form in _NUMBERS for number in form.findall(clause)]
    return list(dict.fromkeys(meant for text in (*clauses, *numbers) for meant in normalised(text)))


def equals_any(references: Sequence[str], readings: Iterable[Meant]) -> bool:
    """Whether a text holds a reference, or a number is one."""
    wanted = [meant for reference in references for meant in normalised(reference)]
    texts = [meant for meant in wanted if isinstance(meant, str)]
    return any(
        any(text in reading for text in texts) if isinstance(reading, str) else reading in wanted
        for reading in readings
    )


def normalised(text: str) -> list[Meant]:
    """A number, or a text in small letters; one character alone twice, with a blank on either side."""
    text = text.strip()
    try:
        return [round(float(text.replace(",", "")), 2)]
    except ValueError:
        text = text.lower()
    return [f" {text}", f"{text} "] if len(text) == 1 else [text]


def shown(readings: Iterable[Meant]) -> str:
    """The readings in one line, sorted: the script keeps them in a set."""
    return " | ".join(sorted(str(reading) for reading in readings))


def _clauses(answer: str) -> list[str]:
    lines = answer.split("\n")
    found = []
    for place, line in enumerate(lines):
        signs = (*_BEFORE_ANSWERS, "=") if place == len(lines) - 1 else _BEFORE_ANSWERS
        rests = [line.split(sign)[-1].strip() for sign in signs if sign in line]
        shortest = _shortest(rests)
        if shortest and shortest not in _TRIVIAL:
            found.append(shortest)
    return found or [answer]


def _shortest(rests: Sequence[str]) -> str:
    """The shortest; an empty one gives way to whatever comes after it."""
    shortest = ""
    for rest in rests:
        if not shortest or len(rest) < len(shortest):
            shortest = rest
    return shortest
