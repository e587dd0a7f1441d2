"""Predictions in a DataFrame, read as a table of a file would be."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.errors import PredictionsError
from vlmbench.files.json_files import kind_of
from vlmbench.plain_text import visible
from vlmbench.predictions.files import Cell, Nested, TextRow, TextTable, cell_of
from vlmbench.predictions.nouns import Answers
from vlmbench.predictions.tables import (
    INDEX_COLUMNS,
    PREDICTION_COLUMNS,
    find_column,
    read_answers_of,
)

if TYPE_CHECKING:
    import pandas as pd

FRAME = Path("DataFrame")
"""What errors and results call it."""


def answers_of_frame(frame: pd.DataFrame) -> Answers:
    """The answers in a frame; a PredictionsError shows columns and first row where one is missing.

    Without a column of indexes the frame's own index counts, where it has a name such as `index`.
    """
    if not hasattr(frame, "columns") or not hasattr(frame, "itertuples"):
        raise PredictionsError(
            f"predictions are {kind_of(frame)}.", fix="Give a DataFrame, or the path of a file or folder."
        )
    if frame.index.name in INDEX_COLUMNS and frame.index.name not in frame.columns:
        frame = frame.reset_index()
    table = _table_of(frame)
    try:
        column = find_column(table, PREDICTION_COLUMNS)
        find_column(table, INDEX_COLUMNS)
    except PredictionsError as error:
        raise PredictionsError(f"{error.what} {_first_row(table)}", file=FRAME, fix=error.fix) from None
    if not table.rows:
        raise PredictionsError("it has no rows.", file=FRAME)
    answers = tuple(read_answers_of(FRAME, table))
    return Answers(path=FRAME, format="a DataFrame", used=f"`{visible(column, 60)}`", answers=answers)


def _table_of(frame: pd.DataFrame) -> TextTable:
    """Its cells as texts. Rows are numbered from 0, as `iloc` does."""
    names = tuple(str(name) for name in frame.columns)
    rows = [
        TextRow(number, dict(zip(names, map(_cell, values), strict=True)))
        for number, values in enumerate(frame.itertuples(index=False, name=None))
    ]
    return TextTable(FRAME, names, rows)


def _cell(value: Any) -> Cell:
    """A value as the cell of a file: a number is its digits, a missing value is None."""
    if isinstance(value, str) or value is None:
        return value
    if hasattr(value, "__len__"):
        return Nested(kind_of(value))
    if isinstance(value, bool):
        return cell_of(value)
    import pandas as pd

    return None if pd.isna(value) else str(value)


def _first_row(table: TextTable) -> str:
    cells: Mapping[str, Cell] = table.rows[0].cells if table.rows else {}
    shown = ", ".join(f"{visible(name, 40)}: {_shown(value)}" for name, value in list(cells.items())[:8])
    return f"Its first row is {{{shown}}}." if cells else "It has no rows."


def _shown(value: Cell) -> str:
    if isinstance(value, Nested):
        return value.kind
    return "none" if value is None else visible(value, 60)
