"""A map of a dataset's columns, by the names that published datasets use."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any

from vlmbench.data.sources.column import Column
from vlmbench.data.sources.column_map import AnswerForm, CellTemplate, ColumnMap
from vlmbench.data.sources.dataset_reader import answer_text, options_of_columns
from vlmbench.data.sources.image_folder import CLASSES
from vlmbench.data.sources.options import UnreadableCell, letter_of, read_options, text_of
from vlmbench.data.sources.records import Records, first_rows
from vlmbench.errors import DataError
from vlmbench.plain_text import visible

QUESTION = ("question", "query", "prompt", "problem", "instruction", "text", "questions")
OPTIONS = ("options", "choices", "option", "choice", "candidates", "multiple_choice_options")
ANSWER = (
    "answer",
    "answers",
    "label",
    "gt",
    "gt_answer",
    "ground_truth",
    "correct_answer",
    "target",
    "solution",
    "correct_choice_idx",
    "answer_idx",
    "answer_index",
    "correct_option",
)
IMAGES = (
    "image",
    "images",
    "img",
    "picture",
    "pictures",
    "image_path",
    "image_file",
    "file_name",
    "file_names",
    "image_file_name",
    "image_file_names",
    "decoded_image",
)
TURNS = ("messages", "conversations", "conversation")
INDEX = (
    "index",
    "id",
    "question_id",
    "qid",
    "questionid",
    "question id",
    "idx",
    "uid",
    "sample_id",
    "__key__",
)
LEVELS = {
    "category": ("category", "categories", "subject", "task", "type", "question_type", "topic"),
    "l2-category": ("l2-category", "l2_category", "subcategory", "subfield"),
    "split": ("split",),
    "hint": ("hint", "context"),
}
_NUMBERED_IMAGE = re.compile(r"(?:image|img|picture)[ _-]?(\d{1,2})", re.IGNORECASE)
_NUMBERED_OPTION = re.compile(r"(?:option|choice|opt)s?[ _-]?([A-Za-z]|\d{1,2})", re.IGNORECASE)
_FORMS: tuple[AnswerForm, ...] = ("letter", "text", "index", "number")
"""By preference, where several fit as many rows."""


def recognise(records: Records, given: ColumnMap) -> ColumnMap:
    """The map that the user gave, and what it lacks by convention; a DataError where no question is found."""
    names = _Names(records.columns)
    found = given
    if found.question is None and not found.turns:
        question = names.first(QUESTION, _is_plain)
        found = replace(found, question=CellTemplate(f"{{{question}}}")) if question else found
        if not question:
            found = replace(
                found, turns=names.first(TURNS, lambda column: column.kind in ("list", "text", "mixed"))
            )
    if not found.question and not found.turns:
        raise unmapped(records, "no column is known as the question")
    if not found.answer and not found.turns:
        found = replace(
            found, answer=names.first(ANSWER, lambda column: column.kind not in ("picture", "mapping"))
        )
    if not found.options and not found.turns:
        found = replace(found, options=names.options())
    if not found.images:
        found = replace(found, images=names.images())
    texts = {key: names.first(known, _is_plain) for key, known in LEVELS.items() if key not in found.texts}
    more = {key: CellTemplate(f"{{{name}}}") for key, name in texts.items() if name}
    return replace(found, texts={**found.texts, **more})


def check_map(records: Records, columns: ColumnMap) -> None:
    """A DataError where a map names a column that is not there or cannot be what it is mapped to."""
    there = {column.name: column for column in records.columns}
    for name in columns.columns:
        if name not in there:
            raise unmapped(records, f"the map names a column `{name}`, which is not there")
    for name in columns.images:
        column = there[name]
        if not (
            column.shows_pictures or column.kind in ("text", "mixed", "nothing") or column.item == "text"
        ):
            raise unmapped(records, f"the column `{name}` is mapped to pictures and is {column.described}")
    for template in columns.templates:
        for name in template.columns:
            if not _is_plain(there[name]):
                raise unmapped(
                    records, f"the column `{name}` is mapped to text and is {there[name].described}"
                )
    if columns.question is not None and not columns.question.columns and " " not in columns.question.text:
        raise unmapped(records, f"the map names a column `{columns.question.text}`, which is not there")


def unmapped(records: Records, what: str) -> DataError:
    """A map that does not fit: every column with its type, and the first row."""
    listed = "; ".join(f"`{visible(c.name, 60)}` ({c.described})" for c in records.columns[:40])
    first = next(iter(first_rows(records, 1)), None)
    row = (
        "there is no row"
        if first is None
        else ", ".join(
            f"{visible(name, 40)}: {brief(value)}" for name, value in list(first.values.items())[:40]
        )
    )
    example = "Map them with --map FILE.yaml, such as `question: COLUMN` and `answer: COLUMN`"
    if any(column.name == CLASSES for column in records.columns):
        example = (
            "Write map.yaml into the folder: `question: Which of these is it?` and `options: classes` for "
            "multiple choice, or a question alone for short answers"
        )
    return DataError(
        f"{what}. Its columns: {listed}. The first row: {row}.",
        file=records.path,
        fix=f"{example}; see docs/add-a-benchmark.md.",
    )


def brief(value: object) -> str:
    """A value for the eye; a picture as its size."""
    if isinstance(value, Mapping) and "bytes" in value:
        value = value["bytes"] if value["bytes"] is not None else value.get("path")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"picture of {len(value):,} bytes"
    if hasattr(value, "save") and hasattr(value, "size"):
        return "picture of {} × {}".format(*value.size)
    if isinstance(value, (list, tuple)):
        shown = ", ".join(brief(member) for member in value[:6])
        return f"[{shown}{', …' if len(value) > 6 else ''}]"
    return visible(str(value), 80) if value is not None else "empty"


def _is_plain(column: Column) -> bool:
    texts = column.kind == "list" and column.item == "text"
    return texts or column.kind in ("text", "number", "truth", "mixed", "nothing")


class _Names:
    """Columns by their names, without regard to case."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._by_name = {column.name.lower(): column for column in reversed(columns)}

    def first(self, known: Iterable[str], fits: Callable[[Column], bool]) -> str:
        """The first of the known names that is there and fits; empty where none is."""
        found = (self._by_name.get(name) for name in known)
        return next((column.name for column in found if column is not None and fits(column)), "")

    def options(self) -> tuple[str, ...]:
        """One column of options, or a column for each."""
        letters = [c.name for c in self._columns if len(c.name) == 1 and c.name in ascii_uppercase]
        if {"A", "B"} <= set(letters):
            return tuple(sorted(letters))
        one = self.first(OPTIONS, lambda column: column.kind in ("list", "mapping", "text", "mixed"))
        return (one,) if one else self._numbered(_NUMBERED_OPTION, lambda column: column.kind != "picture", 2)

    def images(self) -> tuple[str, ...]:
        """One column of pictures or several in order; else the only one whose type is a picture."""
        numbered = self._numbered(_NUMBERED_IMAGE, lambda column: column.kind != "number", 1)
        one = self.first(IMAGES, lambda c: c.shows_pictures) or self.first(
            IMAGES, lambda c: c.kind in ("text", "mixed") or c.item == "text"
        )
        typed = [column.name for column in self._columns if column.shows_pictures]
        if numbered and (not one or not self._by_name[one.lower()].shows_pictures):
            return numbered
        return (one,) if one else tuple(typed) if len(typed) == 1 else ()

    def _numbered(self, form: re.Pattern[str], fits: Callable[[Column], bool], least: int) -> tuple[str, ...]:
        found = [(form.fullmatch(c.name), c.name) for c in self._columns if fits(c)]
        order = sorted((m[1].upper().rjust(2), name) for m, name in found if m)
        return tuple(name for _, name in order) if len(order) >= least else ()


def survey(records: Records, columns: ColumnMap, given: Mapping[str, object]) -> tuple[ColumnMap, int]:
    """What only the rows show: the form of the answers, a column that names rows, the most options of a row.

    All rows are gone through without their pictures.
    """
    candidates = [
        c.name for known in INDEX for c in records.columns if c.name.lower() == known and _is_plain(c)
    ]
    kinds = {column.name: column for column in records.columns}
    seen: dict[str, set[str]] = {name: set() for name in candidates} if not columns.index else {}
    forms, most, count = dict.fromkeys(_FORMS, 0), 0, 0
    for record in records.rows(
        {*candidates, *columns.options, *([columns.answer] if columns.answer else [])}
    ):
        count += 1
        values = columns.given(record.values)
        for name in list(seen):
            value = text_of(values.get(name)).strip()
            if not value or value in seen[name]:
                del seen[name]
            else:
                seen[name].add(value)
        if columns.options:
            most = max(most, _count_forms(values, columns, kinds, forms))
    if not count:
        raise DataError("this split has no rows.", file=records.path)
    index = columns.index or next(iter(seen), "")
    columns = replace(columns, index=index)
    if columns.options and columns.answer and "answer-is" not in given:
        columns = replace(columns, answer_is=_likeliest(forms, kinds[columns.answer]))
    return columns, most


def _count_forms(
    values: Mapping[str, Any], columns: ColumnMap, kinds: Mapping[str, Column], forms: dict[AnswerForm, int]
) -> int:
    """Count the forms under which this row's answer is an option; the place of its last option."""
    try:
        if len(columns.options) == 1:
            options = read_options(values.get(columns.options[0]))
        else:
            options = options_of_columns(
                columns.options, {n: text_of(values.get(n)) for n in columns.options}
            )
    except UnreadableCell:
        return 0
    if columns.answer:
        for form in forms:
            text = answer_text(values.get(columns.answer), kinds[columns.answer], form)
            forms[form] += letter_of(text, form, options) is not None
    return ascii_uppercase.index(max(options)) + 1 if options else 0


def _likeliest(forms: Mapping[AnswerForm, int], column: Column) -> AnswerForm:
    """The form that fits most rows. `2` may be an index or an option's text: numbers are an index."""
    order = sorted(forms, key=lambda form: form in ("letter", "text")) if _is_number(column) else list(forms)
    return max(order, key=lambda form: (forms[form], -order.index(form)))


def _is_number(column: Column) -> bool:
    return column.kind == "number" and not column.names
