"""Tables with a column of indexes and a column of predictions: jsonl, json, xlsx, tsv and csv."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vlmbench.data.column_names import did_you_mean, missing_columns
from vlmbench.errors import PredictionsError
from vlmbench.plain_text import visible
from vlmbench.predictions.files import Nested, TextRow, TextTable, listed, table_of
from vlmbench.predictions.nouns import PICTURE_NAMES, StoredAnswer, picture_of, texts_in, whole

INDEX_COLUMNS = ("index", "id", "question_id", "questionId")
PREDICTION_COLUMNS = ("prediction", "answer_pred", "response", "text", "output")
"""Accepted names; the first that is there is taken."""

_PURPOSE = {"index": "that numbers the questions", "prediction": "with the model's words"}
_QUESTIONS = ("question", "prompt")
_LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def as_table(path: Path, value: Any) -> TextTable:
    """The records of whatever a file held."""
    return value if isinstance(value, TextTable) else table_of(path, value)


def read_answers_of(path: Path, value: Any) -> Iterator[StoredAnswer]:
    """One answer a record."""
    table = as_table(path, value)
    index_column = find_column(table, INDEX_COLUMNS)
    prediction_column = find_column(table, PREDICTION_COLUMNS)
    for row in table.rows:
        cells = texts_in(row.cells, (*_QUESTIONS, *_LETTERS, *PICTURE_NAMES, "category"))
        yield StoredAnswer(
            text=_prediction(table, row, prediction_column),
            row=row.number,
            ids={index_column.strip(): index_of(table, row, index_column)},
            question=cells.get("question") or cells.get("prompt"),
            options={letter: cells[letter] for letter in _LETTERS if letter in cells},
            picture=picture_of(row.cells),
            category=cells.get("category"),
        )


def prediction_column_of(path: Path, value: Any) -> str:
    """The column that is taken for the model's words."""
    return find_column(as_table(path, value), PREDICTION_COLUMNS)


def find_column(table: TextTable, names: Sequence[str]) -> str:
    """The first accepted column there is; upper case and blanks around it do not matter."""
    by_name = {column.strip().lower(): column for column in reversed(table.columns)}
    by_name |= {column: column for column in table.columns}
    wanted = (name if name in by_name else name.lower() for name in names)
    found = next((by_name[name] for name in wanted if name in by_name), None)
    if found is None:
        raise _no_column(table, names)
    if found.strip().lower() != names[0]:
        _refuse_slip(table, names, found)
    if table.columns.count(found) > 1:
        raise PredictionsError("this name stands over several columns.", file=table.path, key=found)
    return found


def _refuse_slip(table: TextTable, names: Sequence[str], found: str) -> None:
    """Raise where the first name is only misspelt, and a column of another accepted name would be taken."""
    lower = [name.lower() for name in names]
    spare = [column for column in table.columns if column.strip().lower() not in lower]
    if near := missing_columns(spare, names[:1]):
        raise PredictionsError(
            f"{did_you_mean(near)} `{visible(found, 60)}` is there as well.",
            file=table.path,
            fix=f"Rename the one {_PURPOSE[names[0]]} to `{names[0]}`.",
        )


def _no_column(table: TextTable, names: Sequence[str]) -> PredictionsError:
    present = ", ".join(f"`{visible(c, 60)}`" for c in table.columns[:20]) or "none at all"
    where = f", in its first sheet `{visible(table.sheets[0], 60)}`," if table.sheets else ""
    near = [column for column in table.columns if _means(column.strip().lower(), names[0])]
    if len(table.columns) == 1 and (mark := re.search("[;,\t]", table.columns[0])):
        sign = {";": "semicolons", ",": "commas", "\t": "tabs"}[mark[0]]
        fix = f"Cells seem to be separated by {sign}; a csv has commas between them, a tsv tabs."
    elif near:
        fix = f"Did you mean `{visible(near[0], 60)}`? Then rename it to `{names[0]}`."
    else:
        others = ", ".join(f"`{name}`" for name in names[1:-1]) + f" and `{names[-1]}`"
        fix = f"Rename the one {_PURPOSE[names[0]]} to `{names[0]}`; {others} are accepted too."
    if len(table.sheets) > 1:
        fix += f" Sheets after the first are not read: {listed(table.sheets[1:])}."
    return PredictionsError(
        f"no column is called `{names[0]}`; the file has{where} {present}.", file=table.path, fix=fix
    )


def _means(column: str, name: str) -> bool:
    """Whether a column's name is a slip of the pen, or the beginning, of another."""
    begun = len(column) > 2 and name.startswith(column)
    return begun or bool(difflib.get_close_matches(column, [name], cutoff=0.75))


def index_of(table: TextTable, row: TextRow, column: str) -> str:
    """The index of a row as text; a whole number is written without a fraction."""
    value = row.cells.get(column)
    if value is None or value == "":
        raise PredictionsError("this row has no index.", file=table.path, row=row.number, key=column)
    if isinstance(value, Nested):
        raise PredictionsError(f"this is {value.kind}.", file=table.path, row=row.number, key=column)
    return whole(value)


def _prediction(table: TextTable, row: TextRow, column: str) -> str | None:
    """A text that begins with `=` was stored as a formula when the sheet was written; it is the text."""
    value = table.formulas.get((row.number, column), row.cells.get(column))
    if isinstance(value, Nested):
        raise PredictionsError(
            f"this is {value.kind}; a prediction is one text.", file=table.path, row=row.number, key=column
        )
    return value
