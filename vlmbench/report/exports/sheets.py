"""Answers as spreadsheets: texts stay texts, and what a cell cannot hold is said in the file itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vlmbench.domain import Sample
from vlmbench.predictions.xlsx import excel_length, fitting
from vlmbench.report.exports.xlsx_writer import Cell, NewSheet, write_workbook

SHEET = "Sheet1"
"""The name pandas gives, and what readers of these files look for."""

CUT_SHEET = "cut"
"""A second sheet that is there only when a text was too long for its cell."""

_NOT_SHOWN = frozenset({"image", "prediction"})
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")


@dataclass(frozen=True, slots=True)
class CutCell:
    """A text of which the sheet holds the beginning only."""

    index: str
    column: str
    characters: int
    """How many it has, as Excel counts."""


Columns = Sequence[tuple[str, Callable[[Sample, str], Cell]]]
"""Names, and how the cell follows from a sample and the answer to it."""


def write_predictions_xlsx(
    path: Path, columns: Sequence[str], samples: Sequence[Sample], texts: Sequence[str]
) -> tuple[CutCell, ...]:
    """VLMEvalKit's prediction file: the benchmark's columns without the picture, then the answer.

    Returns the cells that were cut, which the sheet `cut` lists too. The whole texts are in
    `responses.jsonl`.
    """
    names = [name for name in columns if name not in _NOT_SHOWN]
    shown: Columns = [(name, raw_cell(name)) for name in names]
    return write_sheet(path, [*shown, ("prediction", answer_cell)], samples, texts)


def write_sheet(
    path: Path, columns: Columns, samples: Sequence[Sample], texts: Sequence[str]
) -> tuple[CutCell, ...]:
    """One row a sample, in the order given."""
    cut: list[CutCell] = []
    rows: list[list[Cell]] = [[name for name, _ in columns]]
    for sample, text in zip(samples, texts, strict=True):
        cells = [cell(sample, text) for _, cell in columns]
        rows.append([_fit(c, sample, name, cut) for (name, _), c in zip(columns, cells, strict=True)])
    sheets = [NewSheet(SHEET, rows)]
    if cut:
        lost: list[list[Cell]] = [[c.index, c.column, c.characters] for c in cut]
        sheets.append(NewSheet(CUT_SHEET, [["index", "column", "characters"], *lost]))
    write_workbook(path, sheets)
    return tuple(cut)


def raw_cell(name: str) -> Callable[[Sample, str], Cell]:
    """The cell of the benchmark's file, as it stood there; the index as a number when it is one."""
    if name == "index":
        return lambda sample, _: int(sample.id) if _WHOLE.fullmatch(sample.id) else sample.id
    return lambda sample, _: sample.cells.get(name)


def answer_cell(_: Sample, text: str) -> Cell:
    """What the model said."""
    return text


def _fit(cell: Cell, sample: Sample, column: str, cut: list[CutCell]) -> Cell:
    if not isinstance(cell, str) or (kept := fitting(cell)) == cell:
        return cell
    cut.append(CutCell(sample.id, column, excel_length(cell)))
    return kept
