"""The ways in which answers find their rows, surest first. None of them guesses.

by index                  the file's ids are the benchmark's
by a column               … or stand in one of its columns, once each
by picture and question   `image_path` and the words of the question
by order                  every question of the file is that of the row in its place
by question               the words of the question and its options alone
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from vlmbench.domain import Sample
from vlmbench.predictions.nouns import ID_NAMES, PICTURE_NAMES, Answer
from vlmbench.predictions.wording import agrees, plain, questions_in, shows_options

Rows = tuple[str, ...]


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


def ways(answers: Sequence[Answer], samples: Sequence[Sample]) -> Iterator[Way]:
    """Every way that the two offer, surest first."""
    yield from _by_ids(answers, samples)
    yield from _by_picture(answers, samples)
    yield from _by_order(answers, samples)
    yield from _by_question(answers, samples)


def _by_ids(answers: Sequence[Answer], samples: Sequence[Sample]) -> Iterator[Way]:
    names = dict.fromkeys(name for answer in answers for name in answer.ids)
    own = {sample.id: sample.id for sample in samples}
    for name in names:
        yield _looked_up("index", name, answers, own)
        for column in dict.fromkeys((name, *ID_NAMES)):
            if column != "index" and (table := _unique(samples, column)):
                yield _looked_up(f"column `{column}`", name, answers, table)


def _looked_up(way: str, name: str, answers: Sequence[Answer], table: Mapping[str, str]) -> Way:
    ids = (answer.ids.get(name) for answer in answers)
    return Way(way, tuple((table[i],) if i is not None and i in table else () for i in ids), by_ids=True)


def _unique(samples: Sequence[Sample], column: str) -> dict[str, str]:
    """From cell to row; empty where the column is not there or names a row twice."""
    table = {s.cells[column]: s.id for s in samples if column in s.cells}
    return table if len(table) == sum(column in s.cells for s in samples) else {}


def _by_picture(answers: Sequence[Answer], samples: Sequence[Sample]) -> Iterator[Way]:
    if not any(answer.picture for answer in answers):
        return
    table: dict[tuple[str, str], list[Sample]] = {}
    for sample in samples:
        for name in PICTURE_NAMES:
            if name in sample.cells and len(sample.cells[name]) < 500:
                table.setdefault((_stem(sample.cells[name]), plain(sample.question)), []).append(sample)
    if table:
        yield Way("picture and question", tuple(_of_picture(answer, table) for answer in answers))


def _of_picture(answer: Answer, table: Mapping[tuple[str, str], Sequence[Sample]]) -> Rows:
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


def _category_of(answer: Answer) -> str:
    """MME numbers the pictures of several categories alike; the folder tells them apart."""
    return answer.category or (answer.picture or "").partition("/")[0]


def _category(sample: Sample) -> str:
    return sample.cells.get("category", "")


def _by_order(answers: Sequence[Answer], samples: Sequence[Sample]) -> Iterator[Way]:
    """Only where not one question differs; a row of several categories is asked once in each (POPE).

    Of a file that says which questions have a picture, those that have one, if they are as many as the rows.
    """
    yield from _in_order(answers, samples)
    shown = [answer for answer in answers if answer.shows_picture]
    if len(shown) == len(samples) < len(answers):
        for way in _in_order(shown, samples):
            rows = iter(way.rows)
            yield replace(way, rows=tuple(next(rows) if a.shows_picture else () for a in answers))


def _in_order(answers: Sequence[Answer], samples: Sequence[Sample]) -> Iterator[Way]:
    if not all(answer.question for answer in answers):
        return
    for rows in _orders(samples):
        if len(rows) == len(answers) and _is_told_by_order(rows):
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


def _is_option_safe(answer: Answer, sample: Sample) -> bool:
    """Rotations of a question differ in their options only, so these must be seen."""
    return not sample.choices or bool(answer.options) or shows_options(answer.question or "", sample)


def _is_told_by_order(rows: Sequence[Sample]) -> bool:
    """Questions that are mostly the same would fit in any order."""
    return max(Counter(plain(sample.question) for sample in rows).values()) <= max(1, len(rows) // 2)


def _by_question(answers: Sequence[Answer], samples: Sequence[Sample]) -> Iterator[Way]:
    if not any(answer.question for answer in answers):
        return
    table: dict[str, list[Sample]] = {}
    for sample in samples:
        if asked := plain(sample.question):
            table.setdefault(asked, []).append(sample)
    yield Way("question", tuple(_of_question(answer, table) for answer in answers))


def _of_question(answer: Answer, table: Mapping[str, Sequence[Sample]]) -> Rows:
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
