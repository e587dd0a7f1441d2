"""Which columns of a dataset are the question, the options, the answer and the pictures of a benchmark.

question: "{query}\n{hint}"     a column, or a text with columns in braces
options: choices                a column of lists, mappings or JSON; or a list of columns: [A, B, C, D]
answer: label
answer-is: index                letter, index (from 0), number (from 1) or text
images: [image_1, image_2]      columns of pictures, in the order shown
turns: messages                 question and answer from a conversation, instead of the above
index: question_id              names the row; without it rows are numbered, from `first-index` on (0)
category: "{subject}"           likewise l2-category, split and hint
missing: nan                    a text, or several, that stands for an empty cell
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from vlmbench.errors import UnknownName, UserError
from vlmbench.plain_text import visible

AnswerForm = Literal["letter", "index", "number", "text"]
TEXTS = ("category", "l2-category", "split", "hint")
KEYS = (
    *("question", "options", "answer", "answer-is", "images", "turns", "index", "first-index", "missing"),
    *TEXTS,
)
_FIELD = re.compile(r"\{([^{}\n]+)\}")


@dataclass(frozen=True, slots=True)
class CellTemplate:
    """A text with columns in braces."""

    text: str

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it names, in order."""
        return tuple(dict.fromkeys(_FIELD.findall(self.text)))

    def fill(self, cells: Mapping[str, str]) -> str:
        """The text of a row; an empty column leaves nothing."""
        return _FIELD.sub(lambda found: cells.get(found[1], ""), self.text).strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMap:
    """What each column is for."""

    question: CellTemplate | None = None
    """None: the question is in `turns`."""
    options: tuple[str, ...] = ()
    """One column that holds all, or a column for each; empty: there are none."""
    answer: str = ""
    answer_is: AnswerForm = "text"
    images: tuple[str, ...] = ()
    turns: str = ""
    index: str = ""
    """Empty: rows are numbered."""
    first_index: int = 0
    """The number of the first row, where they are numbered."""
    missing: tuple[str, ...] = ()
    """Texts that stand for an empty cell."""
    texts: Mapping[str, CellTemplate] = field(default_factory=dict)
    """`category`, `l2-category`, `split` and `hint`."""

    @property
    def templates(self) -> tuple[CellTemplate, ...]:
        """Of the question and of the other texts."""
        return (*([self.question] if self.question else []), *self.texts.values())

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column it names."""
        named = [name for template in self.templates for name in template.columns]
        found = (*named, *self.options, self.answer, *self.images, self.turns, self.index)
        return tuple(dict.fromkeys(name for name in found if name))

    @property
    def used_up(self) -> frozenset[str]:
        """Columns that are nothing but what they are mapped to, under another name."""
        whole = {name for t in self.templates for name in t.columns if t.text == f"{{{name}}}"}
        return frozenset({*whole, *self.options, *self.images, self.answer, self.index, self.turns})

    def given(self, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """A row with None for each text that stands for an empty cell."""
        if not self.missing:
            return values
        gone = {name for name, value in values.items() if isinstance(value, str) and value in self.missing}
        return {name: None if name in gone else value for name, value in values.items()}

    def document(self) -> dict[str, Any]:
        """The same in the form of the YAML; keys without a value are left out."""
        found = {
            "question": self.question.text if self.question else "",
            "options": _one_or_list(self.options),
            "answer": self.answer,
            "answer-is": self.answer_is if self.answer else "",
            "images": _one_or_list(self.images),
            "turns": self.turns,
            "index": self.index,
            "first-index": str(self.first_index or ""),
            "missing": _one_or_list(self.missing),
        }
        found |= {name: template.text for name, template in self.texts.items()}
        return {key: value for key, value in found.items() if value}


def read_map(
    document: Mapping[str, Any], columns: tuple[str, ...] = (), file: Path | None = None
) -> ColumnMap:
    """The map that a YAML or a cache holds, checked but for the columns' names; `file` is named in errors.

    A bare name among `columns` is that column; any other text is a template as it stands.
    """
    document = {key: str(v) if key == "first-index" else v for key, v in document.items()}
    for key, value in document.items():
        many = key in ("options", "images", "missing") and isinstance(value, (list, tuple))
        if not all(isinstance(name, str) for name in (value if many else [value])):
            kind = "a column or a list of columns" if key in ("options", "images") else "a text"
            raise UserError(f"must be {kind}, not `{value}`.", file=file, key=key)
    form = document.get("answer-is", "text")
    if form not in get_args(AnswerForm):
        where = f"It stands in {file}." if file else None
        raise UnknownName("form of an answer (`answer-is`)", form, get_args(AnswerForm), fix=where)
    templates = {key: _template(document[key], columns) for key in ("question", *TEXTS) if key in document}
    return ColumnMap(
        question=templates.pop("question", None),
        options=_several(document.get("options", ())),
        answer=document.get("answer", ""),
        answer_is=form,
        images=_several(document.get("images", ())),
        turns=document.get("turns", ""),
        index=document.get("index", ""),
        first_index=_number(document.get("first-index", "0"), file),
        missing=_several(document.get("missing", ())),
        texts=templates,
    )


def _number(text: str, file: Path | None) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UserError(f"must be a whole number, not `{text}`.", file=file, key="first-index")
    return int(text)


def in_words(document: Mapping[str, Any]) -> str:
    """The map on one line, as a run prints it."""
    parts = []
    for key, value in document.items():
        if key != "answer-is":
            named = ", ".join(value) if isinstance(value, list) else str(value)
            form = f" ({document['answer-is']})" if key == "answer" and "options" in document else ""
            parts.append(f"{key} = {visible(named, 80)}{form}")
    return f"columns: {'; '.join(parts)}"


def _one_or_list(names: tuple[str, ...]) -> str | list[str]:
    return names[0] if len(names) == 1 else list(names)


def _several(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _template(text: str, columns: tuple[str, ...]) -> CellTemplate:
    return CellTemplate(f"{{{text}}}" if text in columns else text)
