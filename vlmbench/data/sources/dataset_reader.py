"""A dataset's rows in the layout of a benchmark's file: `index`, `question`, `answer`, `A`, `B`, …, and more.

Plain columns that the map does not name are kept, so that a benchmark with figures of its own finds them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from vlmbench.data.build import ReadRow
from vlmbench.data.disk import Stamp
from vlmbench.data.sources.column import Column
from vlmbench.data.sources.column_map import ColumnMap
from vlmbench.data.sources.options import UnreadableCell, letter_of, read_options, text_of
from vlmbench.data.sources.pictures import UNREAD, Pictures
from vlmbench.data.sources.records import DatasetRow, Records
from vlmbench.data.sources.turns import QuestionAndAnswer, read_turns

_TAG = re.compile(r"<image(?:[ _]?(\d{1,2}))?>")
_PLAIN = ("text", "number", "truth", "list", "mixed")
OWN = ("index", "question", "answer")


@dataclass(frozen=True)
class DatasetReader:
    """Reads a dataset through a map of its columns."""

    records: Records
    columns: ColumnMap
    letters: tuple[str, ...]
    """Those of the most options that a row has."""
    pictures: Pictures

    @property
    def path(self) -> Path:
        """The dataset's file or folder."""
        return self.records.path

    @property
    def stamps(self) -> Mapping[str, Stamp]:
        """Picture files that rows name."""
        return self.pictures.stamps

    @property
    def pictures_beside(self) -> bool:
        """Whether rows may name picture files."""
        return any(not self._by_name[name].shows_pictures for name in self.columns.images)

    @property
    def facts(self) -> Mapping[str, Any]:
        """The columns and the map, so that they are found without reading the dataset again."""
        return {"columns": list(self.texts), "map": self.columns.document()}

    @cached_property
    def _by_name(self) -> Mapping[str, Column]:
        return {column.name: column for column in self.records.columns}

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Every column of the benchmark."""
        own = [*OWN] if self.columns.answer or self.columns.turns else list(OWN[:2])
        return tuple(dict.fromkeys((*own, *self.letters, *self.columns.texts, *self._kept)))

    @cached_property
    def _kept(self) -> tuple[str, ...]:
        """Plain columns that the map does not use up and whose names mean nothing else here."""
        used = {*self.columns.used_up, "image", "image_path"}
        return tuple(
            column.name
            for column in self.records.columns
            if column.kind in _PLAIN
            and not column.shows_pictures
            and column.name not in used
            and column.name not in (*OWN, *ascii_uppercase)
        )

    def rows(self) -> Iterator[ReadRow]:
        """Every row, in order."""
        for record in self.records.rows({*self._plain, *self.columns.columns}):
            yield self._row(record)

    def _row(self, record: DatasetRow) -> ReadRow:
        values = self.columns.given(record.values)
        cells = {name: self._cell(name, values.get(name)) for name in self._plain}
        shown = [values.get(name) for name in self.columns.images]
        problem = None
        found = {key: template.fill(cells) for key, template in self.columns.texts.items()}
        try:
            exchange = self._exchange(values, cells)
            shown += exchange.pictures
            found["question"] = with_tags(exchange.question)
            options = self._options(values, cells)
            found |= options | {"answer": self._answer(exchange.answer, values, options)}
        except UnreadableCell as why:
            problem = str(why)
        unread = any(value is UNREAD for value in shown)
        reference = _row_number(shown[0]) if len(shown) == 1 else None
        number = str(record.number - 1 + self.columns.first_index)
        index = cells.get(self.columns.index, "") if self.columns.index else number
        found["index"] = index.strip()
        return ReadRow(
            index=found["index"],
            texts=[found.get(name, cells.get(name, "") if name in self._kept else "") for name in self.texts],
            number=record.number,
            place=record.place,
            pictures=() if reference or unread else self._shown(shown),
            reference=reference,
            shape=problem,
            unread=unread,
        )

    @cached_property
    def _plain(self) -> Sequence[str]:
        """Columns of which the text is needed; a list of options or of turns is read as it is."""
        in_templates = [name for template in self.columns.templates for name in template.columns]
        options = self.columns.options if len(self.columns.options) > 1 else ()
        named = (*self._kept, *in_templates, *options, self.columns.index)
        return tuple(n for n in dict.fromkeys(named) if n and self._by_name[n].kind in _PLAIN)

    def _cell(self, name: str, value: Any) -> str:
        """A value as text; of a class, its name."""
        names = self._by_name[name].names
        if names and isinstance(value, int) and 0 <= value < len(names):
            return names[value]
        return text_of(value)

    def _exchange(self, values: Mapping[str, Any], cells: Mapping[str, str]) -> QuestionAndAnswer:
        if self.columns.turns:
            return read_turns(values.get(self.columns.turns))
        template = self.columns.question
        return QuestionAndAnswer(template.fill(cells) if template else "", "", ())

    def _options(self, values: Mapping[str, Any], cells: Mapping[str, str]) -> dict[str, str]:
        names = self.columns.options
        if len(names) == 1:
            return read_options(values.get(names[0]))
        return options_of_columns(names, cells)

    def _answer(self, said: str, values: Mapping[str, Any], options: Mapping[str, str]) -> str:
        """The letter where there are options, else the text; a DataError of the row where it names none."""
        name, form = self.columns.answer, self.columns.answer_is
        value = values.get(name) if name else said
        if not self.columns.options:
            return self._cell(name, value) if name else said
        text = answer_text(value, self._by_name.get(name), form)
        if not text or not options:
            return text
        letter = letter_of(text, form, options)
        if letter is None:
            raise UnreadableCell(f"the answer `{text[:60]}` is no option, as {form} of {len(options)}")
        return letter

    def _shown(self, values: Sequence[Any]) -> Iterator[bytes | memoryview]:
        for value in values:
            yield from self.pictures.of(value)


def _row_number(value: Any) -> str | None:
    """The row whose picture this row shows, where a cell names one as a TSV does."""
    named = isinstance(value, str) and 0 < len(value) < 19 and value.isascii() and value.isdigit()
    return value if named else None


def answer_text(value: Any, column: Column | None, form: str) -> str:
    """An answer as text, of a class its number or its name, as the form needs."""
    value = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    names = column.names if column else ()
    if names and form not in ("index", "number") and isinstance(value, int) and 0 <= value < len(names):
        return names[value]
    return text_of(value)


def options_of_columns(names: Sequence[str], cells: Mapping[str, str]) -> dict[str, str]:
    """Options with a column each: by the column's letter where it is one, else in order."""
    if all(name in ascii_uppercase for name in names):
        return {name: cells[name] for name in names if cells.get(name)}
    letters = zip(ascii_uppercase, names, strict=False)
    return {letter: cells[name] for letter, name in letters if cells.get(name)}


def with_tags(question: str) -> str:
    """The text with `<image 1>`, `<image 2>`, … where pictures belong; none where all come first."""
    tags = list(_TAG.finditer(question))
    if not tags:
        return question
    bare = _TAG.sub("", question[: tags[-1].end()])
    if all(tag[1] is None for tag in tags) and not bare.strip():
        return question[tags[-1].end() :].strip()
    numbers = iter(range(1, len(tags) + 1))
    return _TAG.sub(lambda tag: f"<image {tag[1] or next(numbers)}>", question).strip()
