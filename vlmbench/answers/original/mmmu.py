"""MMMU as its authors scored it: `mmmu/main_parse_and_eval.py` with `mmmu/utils/eval_utils.py`.

Where there are options, the first of these that finds any decides, and of several the one that stands last:

1. letters in brackets, `(B)`;
2. letters between blanks, once some marks are cut off both ends of the answer;
3. in answers of more than five words, texts of options, in small letters and anywhere, within words too.

Nothing found: an option is drawn, from one stream of draws (seed 42) that runs over the subjects by name
and the questions of each by number. So one more unparsed answer moves all later draws. Each split is a run
of its own and begins anew.

An open answer becomes everything in it that may be meant. In small letters, it is cut at line breaks (the
script means to cut at sentences too, but searches for capitals after it has made them small). Of each line
the shortest rest after a word such as `is` or `answer` counts, after `=` too in the last one; without any,
the whole answer. Every number in those rests counts beside them. A number equals a reference at two decimals.
A text is right if a reference stands anywhere in it, within words too; references of one character must have
a blank on one side.

Faults: the draws; `A cat is shown` is read as A; an option `1` is found in `2100`; of `A, not B` the last
counts.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from vlmbench.answers.original import RULES, Verdict, score_as_read
from vlmbench.answers.scores import accepted, failure_of, score_of
from vlmbench.domain import Response, Sample, Score

SEED = 42
DRAWN = f"drawn at random, seed {SEED}"
_ENDS = (",", ".", "!", "?", ";", ":", "'")
"""Cut off both ends one after the other: `B.,` keeps its full stop."""
_FEW_WORDS = 5
_NUMBER = re.compile(r"_(\d{1,9})$")

Meant = str | float

_BEFORE_ANSWERS = ("could be ", "so ", "is ", "thus ", "therefore ", "final ", "answer ", "result ")
_TRIVIAL = frozenset({":", ",", ".", "!", "?", ";", "'"})
_NUMBERS = (
    re.compile(r"-?\b\d{1,3}(?:,\d\d\d)+\b"),
    re.compile(r"-?\d+(?:\.\d+)?e[+-]?\d+"),
    re.compile(r"-?(?:\d*\.\d+|\d+\b)(?!e[+-]?\d|[,\d])"),
)
"""With thousands separators; with a power of ten; all others."""


def scores(samples: Sequence[Sample], responses: Sequence[Response]) -> list[Score]:
    """Every answer read, in the order in which the script draws; failed and missing ones draw nothing."""
    streams: dict[str | None, random.Random] = {}
    found: dict[int, Score] = {}
    for place in in_order(samples):
        sample, response = samples[place], responses[place]
        failure = failure_of(response)
        if failure is not None:
            found[place] = score_of(sample, RULES, None, None, failure)
        else:
            draws = streams.setdefault(sample.split, random.Random(SEED))  # noqa: S311
            found[place] = score_as_read(sample, read(sample, response.text, draws))
    return [found[place] for place in range(len(samples))]


def in_order(samples: Sequence[Sample]) -> list[int]:
    """The places of the samples, by subject, then by the number at the end of the id."""

    def key(place: int) -> tuple[str, int]:
        sample = samples[place]
        number = _NUMBER.search(sample.cells.get("id", sample.id))
        return sample.categories.get("category", ""), int(number[1]) if number else 0

    return sorted(range(len(samples)), key=key)


def read(sample: Sample, answer: str, draws: random.Random) -> Verdict:
    """An option, drawn if need be; without options, everything that may be the answer."""
    if not sample.choices:
        readings = readings_of(answer)
        return Verdict(shown(readings), float(equals_any(accepted(sample), readings)), "any clause or number")
    letter, reason = option_of(sample, answer)
    if letter is None:
        letter, reason = draws.choice(list(sample.choices)), DRAWN
    return Verdict(letter, float(letter in sample.references), reason)


def option_of(sample: Sample, answer: str) -> tuple[str | None, str]:
    """The option that the answer names last, and how it was found."""
    for mark in _ENDS:
        answer = answer.strip(mark)
    text = f" {answer} "
    for form, reason in (("({})", "letter in brackets"), (" {} ", "letter between blanks")):
        letter = _last(text, {letter: form.format(letter) for letter in sample.choices})
        if letter is not None:
            return letter, reason
    if len(text.split()) <= _FEW_WORDS:
        return None, ""
    options = {letter: option.lower() for letter, option in sample.choices.items()}
    letter = _last(text.lower(), options)
    return letter, "" if letter is None else f"text of option {letter} in a sentence"


def _last(text: str, wanted: dict[str, str]) -> str | None:
    """Whose text stands last; of several that begin at one place, the first in the file."""
    places = {letter: text.rfind(phrase) for letter, phrase in wanted.items()}
    found = {letter: place for letter, place in places.items() if place >= 0}
    return max(found, key=found.__getitem__) if found else None


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
