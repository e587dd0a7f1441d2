"""Anybody's predictions: which row answers which question, checked before anything is scored."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.errors import PredictionsError
from vlmbench.report.text_tables import Nested, TextRow, TextTable, listed, read_table

INDEX_COLUMNS = ("index", "id", "question_id")
PREDICTION_COLUMNS = ("prediction", "answer_pred", "response", "text", "output")
"""Accepted names; the first that is there is taken."""

_WHOLE = re.compile(r"(-?[0-9]+)\.0*")
_SCIENTIFIC = re.compile(r"-?[0-9](\.[0-9]+)?E\+?[0-9]{1,2}")
_ROTATION = 1_000_000


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a file says to each index."""

    path: Path
    texts: Mapping[str, str | None]
    """By index; None where the file has a null or an empty cell."""
    repeated: tuple[str, ...] = ()
    """Indexes that stand there more than once."""


def read_predictions(path: Path) -> Predictions:
    """The predictions of a jsonl, json, xlsx, tsv or csv file, every text as it stands there."""
    table = read_table(path)
    index_column = find_column(table, INDEX_COLUMNS)
    prediction_column = find_column(table, PREDICTION_COLUMNS)
    texts: dict[str, str | None] = {}
    repeated: dict[str, None] = {}
    for row in table.rows:
        index = index_of(table, row, index_column)
        if index in texts:
            repeated[index] = None
        texts[index] = _prediction(table, row, prediction_column)
    if not texts:
        raise PredictionsError("it has no rows.", file=path)
    return Predictions(path, texts, tuple(repeated))


def match_predictions(
    predictions: Predictions, ids: Sequence[str], *, allow_missing: bool = False
) -> list[str | None]:
    """The texts in the order of `ids`; refuses indexes that are missing, unknown or there twice.

    With `allow_missing` a question without a row is None.
    """
    texts = predictions.texts
    if predictions.repeated:
        count = len(predictions.repeated)
        raise PredictionsError(
            f"{_rows(count, 'index has', 'indexes have')} more than one prediction: "
            f"{listed(predictions.repeated)}.",
            file=predictions.path,
            fix="Keep one of each.",
        )
    known = set(ids)
    unknown = [index for index in texts if index not in known]
    if unknown:
        raise PredictionsError(
            f"{_rows(len(unknown), 'index is', 'indexes are')} not in the benchmark: {listed(unknown)}.",
            file=predictions.path,
            fix="Is it another benchmark or split?" if len(unknown) == len(texts) else "Remove these rows.",
        )
    missing = [index for index in ids if index not in texts]
    if missing and not allow_missing:
        raise PredictionsError(
            f"{_rows(len(missing), 'question has', 'questions have')} no prediction, of {len(ids)}: "
            f"{listed(missing)}.",
            file=predictions.path,
            fix=_mend_missing(missing, texts),
        )
    return [texts.get(index) for index in ids]


def find_column(table: TextTable, names: Sequence[str]) -> str:
    """The first accepted column there is; upper case and blanks around it do not matter."""
    by_name = {column.strip().lower(): column for column in reversed(table.columns)}
    by_name |= {column: column for column in table.columns}
    found = next((by_name[name] for name in names if name in by_name), None)
    if found is None:
        raise _no_column(table, names)
    if table.columns.count(found) > 1:
        raise PredictionsError("there are several columns of this name.", file=table.path, key=found)
    return found


def _no_column(table: TextTable, names: Sequence[str]) -> PredictionsError:
    present = ", ".join(f"`{c}`" for c in table.columns) or "none"
    where = f" of the first sheet, `{table.sheets[0]}`," if table.sheets else ""
    fix = f"Name it `{names[0]}` ({', '.join(names[1:])} are understood too)."
    if len(table.sheets) > 1:
        fix += f" Only the first sheet is read; the others are {listed(table.sheets[1:])}."
    return PredictionsError(
        f"there is no `{names[0]}` column; the columns{where} are {present}.", file=table.path, fix=fix
    )


def index_of(table: TextTable, row: TextRow, column: str) -> str:
    """The index of a row as text; a whole number is written without a fraction."""
    value = row.cells.get(column)
    if value is None or value == "":
        raise PredictionsError("this row has no index.", file=table.path, row=row.number, key=column)
    if isinstance(value, Nested):
        raise PredictionsError(f"this is {value.kind}.", file=table.path, row=row.number, key=column)
    if (whole := _WHOLE.fullmatch(value)) is not None:
        return whole[1]
    return str(int(float(value))) if _SCIENTIFIC.fullmatch(value) else value


def _prediction(table: TextTable, row: TextRow, column: str) -> str | None:
    """A text that begins with `=` was taken for a formula by whoever wrote the sheet; it is the text."""
    value = table.formulas.get((row.number, column), row.cells.get(column))
    if isinstance(value, Nested):
        raise PredictionsError(
            f"this is {value.kind}; a prediction is one text.", file=table.path, row=row.number, key=column
        )
    return value


def _mend_missing(missing: Sequence[str], texts: Mapping[str, str | None]) -> str:
    """VLMEvalKit writes two files with these columns, and only one of them has every row."""
    if all(map(_is_rotation, missing)) and not any(map(_is_rotation, texts)):
        return (
            "Every one of them is a rotation: a `…_result.xlsx` holds the base rows only, the prediction "
            "file beside it holds all."
        )
    return "Add `--allow-missing` to leave these questions unscored."


def _is_rotation(index: str) -> bool:
    return index.isascii() and index.isdigit() and len(index) < 20 and int(index) >= _ROTATION


def _rows(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
