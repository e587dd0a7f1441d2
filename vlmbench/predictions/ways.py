"""The ways in which answers find their rows, surest first. None of them guesses.

by index                  the file's ids are the benchmark's
by a column               … or stand in one of its columns, once each
by picture and question   `image_path` and the words of the question
by order                  every question of the file is that of the row in its place
by question               the words of the question and its options alone

Words are compared as people compare them: no blanks, no marks, no instructions (`plain`, `agrees`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath

from vlmbench.domain import Sample
from vlmbench.predictions.nouns import ID_NAMES, PICTURE_NAMES, StoredAnswer

Rows = tuple[str, ...]

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


@dataclass(frozen=True, slots=True)
class Way:
    """For every answer the rows it may belong to."""

    name: str
    rows: tuple[Rows, ...]
    by_ids: bool = False
    shared: bool = False
    """Several answers may belong to one row, which then stands for a question that is asked repeatedly."""

    @property
    def found(self) -> int:
        """How many answers have exactly one row."""
        return sum(len(rows) == 1 for rows in self.rows)

    @property
    def reached(self) -> int:
        """How many answers have a row, or several."""
        return sum(bool(rows) for rows in self.rows)


def ways(answers: Sequence[StoredAnswer], samples: Sequence[Sample]) -> Iterator[Way]:
    """Every way that the two offer, surest first."""
    yield from _by_ids(answers, samples)
    yield from _by_picture(answers, samples)
    yield from _by_order(answers, samples)
    yield from _by_question(answers, samples)


def _by_ids(answers: Sequence[StoredAnswer], samples: Sequence[Sample]) -> Iterator[Way]:
    names = dict.fromkeys(name for answer in answers for name in answer.ids)
    own = {sample.id: sample.id for sample in samples}
    for name in names:
        yield _looked_up("index", name, answers, own)
        for column in dict.fromkeys((name, *ID_NAMES)):
            if column != "index" and (table := _unique(samples, column)):
                yield _looked_up(f"column `{column}`", name, answers, table)


def _looked_up(way: str, name: str, answers: Sequence[StoredAnswer], table: Mapping[str, str]) -> Way:
    ids = (answer.ids.get(name) for answer in answers)
    return Way(way, tuple((table[i],) if i is not None and i in table else () for i in ids), by_ids=True)


def _unique(samples: Sequence[Sample], column: str) -> dict[str, str]:
    """From cell to row; empty where the column is not there or names a row twice."""
    table = {s.cells[column]: s.id for s in samples if column in s.cells}
    return table if len(table) == sum(column in s.cells for s in samples) else {}


def _by_picture(answers: Sequence[StoredAnswer], samples: Sequence[Sample]) -> Iterator[Way]:
    if not any(answer.picture for answer in answers):
        return
    table: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        for name in PICTURE_NAMES:
            if name in sample.cells and len(sample.cells[name]) < 500:
                table.setdefault((_stem(sample.cells[name]), plain(sample.question)), []).append(sample)
    if table:
        yield Way("picture and question", tuple(_of_picture(answer, table) for answer in answers))


def _of_picture(answer: StoredAnswer, table: Mapping[tuple[str, str], Sequence[Sample]]) -> Rows:
    if not answer.picture:
        return ()
    stem = _stem(answer.picture)
    for question in questions_in(answer.question or ""):
        if found := table.get((stem, question)):
            near = [s for s in found if _category(s) == _category_of(answer)] if len(found) > 1 else found
            return tuple(sample.id for sample in near or found)
    return ()


def _stem(picture: str) -> str:
    return PurePosixPath(picture.replace("\\", "/")).stem


def _category_of(answer: StoredAnswer) -> str:
    """MME numbers the pictures of several categories alike; the folder distinguishes them."""
    return answer.category or (answer.picture or "").partition("/")[0]


def _category(sample: Sample) -> str:
    return sample.cells.get("category", "")


def _by_order(answers: Sequence[StoredAnswer], samples: Sequence[Sample]) -> Iterator[Way]:
    """Only where not one question differs; a row of several categories is asked once in each (POPE).

    Of a file that marks which questions have a picture, those that have one, if they are as many as the rows.
    """
    yield from _in_order(answers, samples)
    shown = [answer for answer in answers if answer.shows_picture]
    if len(shown) == len(samples) < len(answers):
        for way in _in_order(shown, samples):
            rows = iter(way.rows)
            yield replace(way, rows=tuple(next(rows) if a.shows_picture else () for a in answers))


def _in_order(answers: Sequence[StoredAnswer], samples: Sequence[Sample]) -> Iterator[Way]:
    if not all(answer.question for answer in answers):
        return
    for rows in _orders(samples):
        if len(rows) == len(answers) and _order_identifies(rows):
            asked = Counter(plain(sample.question) for sample in rows)
            pairs = zip(answers, rows, strict=True)
            if all(
                agrees(a, s) and (asked[plain(s.question)] == 1 or _is_option_safe(a, s)) for a, s in pairs
            ):
                yield Way("order", tuple((s.id,) for s in rows), shared=len({s.id for s in rows}) < len(rows))


def _orders(samples: Sequence[Sample]) -> Iterator[Sequence[Sample]]:
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        for name in _category(sample).split(","):
            parts.setdefault(name, []).append(sample)
    yield samples
    if any("," in _category(sample) for sample in samples):
        yield [sample for name in sorted(parts) for sample in parts[name]]
    if len(parts) <= 100:
        yield from parts.values()


def _is_option_safe(answer: StoredAnswer, sample: Sample) -> bool:
    """Rotations of a question differ in their options only, so these must be seen."""
    return not sample.choices or bool(answer.options) or shows_options(answer.question or "", sample)


def _order_identifies(rows: Sequence[Sample]) -> bool:
    """Questions that are mostly the same would fit in any order."""
    return max(Counter(plain(sample.question) for sample in rows).values()) <= max(1, len(rows) // 2)


def _by_question(answers: Sequence[StoredAnswer], samples: Sequence[Sample]) -> Iterator[Way]:
    if not any(answer.question for answer in answers):
        return
    table: dict[str, list[Sample]] = {}
    for sample in samples:
        if asked := plain(sample.question):
            table.setdefault(asked, []).append(sample)
    yield Way("question", tuple(_of_question(answer, table) for answer in answers))


def _of_question(answer: StoredAnswer, table: Mapping[str, Sequence[Sample]]) -> Rows:
    prompt = answer.question or ""
    for question in questions_in(prompt):
        if found := table.get(question):
            if answer.options:
                found = [s for s in found if agrees(answer, s)]
            elif len(found) > 1 and any(s.choices for s in found):
                found = [s for s in found if shows_options(prompt, s)] or found
            if len(found) > 1 and any(s.hint for s in found):
                found = [s for s in found if plain(s.hint or "") in plain(prompt)] or found
            return tuple(sample.id for sample in found)
    return ()


def plain(text: str) -> str:
    """Letters and digits only, in lower case, without what prompts add to a question."""
    return _short(text) if len(text) < _LONG else _reduced(text)


@lru_cache(maxsize=1 << 15)
def _short(text: str) -> str:
    return _reduced(text)


def _reduced(text: str) -> str:
    return _MARKS.sub("", _INSTRUCTIONS.sub("", text)).casefold()


def agrees(answer: StoredAnswer, sample: Sample) -> bool | None:
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
