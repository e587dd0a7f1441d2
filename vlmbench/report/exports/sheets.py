"""Answers as spreadsheets: text cells stay text, and a second sheet lists the texts that were cut.

A column of numbers alone holds numbers, as pandas writes it in the toolkits that these files come from.

The same cells give the same bytes. openpyxl's writer cuts texts over 32,767 characters without notice,
refuses control characters, takes `=…` for a formula and writes the time into the file; hence our own.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from vlmbench.domain import Sample
from vlmbench.predictions.xlsx import excel_length, fitting, opens_like_a_formula, string_xml
from vlmbench.store import make_folder, write_bytes

Cell = str | int | float | None
"""Text, a number, or nothing."""

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_LITERAL = 1
"""The style that keeps a text from becoming a formula when somebody edits its cell."""

_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}">'
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    '<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>'
    '<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1" applyNumberFormat="1"/>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)

SHEET = "Sheet1"
"""The name that pandas gives, and that readers of these files look for."""

CUT_SHEET = "cut"
"""A second sheet, written only where a text was too long for its cell."""

_NOT_SHOWN = frozenset({"image", "prediction"})
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,14}")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,8})\.[0-9]{0,5}[1-9]")
"""Written as Excel shows it, so that a number loses nothing of the text: not 007, 1.50 or 1e5."""


@dataclass(frozen=True, slots=True)
class CutCell:
    """A text of which the sheet holds only the beginning."""

    index: str
    column: str
    characters: int
    """Length of the whole text, as Excel counts."""


Columns = Sequence[tuple[str, Callable[[Sample, str], Cell]]]
"""Column names, each with the function that makes a cell from a sample and its answer."""


def write_predictions_xlsx(
    path: Path, columns: Sequence[str], samples: Sequence[Sample], texts: Sequence[str]
) -> tuple[CutCell, ...]:
    """VLMEvalKit's prediction file: the benchmark's columns without the picture, then the answer.

    Returns the cells that were cut, as the sheet `cut` lists them; responses.jsonl has the whole texts.
    """
    names = [name for name in columns if name not in _NOT_SHOWN]
    shown: Columns = [(name, raw_cell(name, samples)) for name in names]
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


def raw_cell(name: str, samples: Sequence[Sample]) -> Callable[[Sample, str], Cell]:
    """The cell as in the benchmark's file; a number where it is the index, or where all cells are numbers."""
    if name == "index":
        return lambda sample, _: int(sample.id) if _WHOLE.fullmatch(sample.id) else sample.id
    texts = [text for sample in samples if (text := sample.cells.get(name))]
    if any(_number(text) is None for text in texts):
        return lambda sample, _: sample.cells.get(name)
    return lambda sample, _: _number(sample.cells.get(name) or "")


def _number(text: str) -> int | float | None:
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else None


def answer_cell(_: Sample, text: str) -> Cell:
    """The model's answer."""
    return text


def _fit(cell: Cell, sample: Sample, column: str, cut: list[CutCell]) -> Cell:
    if not isinstance(cell, str) or (kept := fitting(cell)) == cell:
        return cell
    cut.append(CutCell(sample.id, column, excel_length(cell)))
    return kept


@dataclass(frozen=True, slots=True)
class NewSheet:
    """A sheet to be written; the first row is the header."""

    name: str
    rows: Iterable[Sequence[Cell]]


def write_workbook(path: Path, sheets: Sequence[NewSheet]) -> None:
    """Write the workbook to a temporary file, then rename it; on a full disk the old file stays."""
    make_folder(path.parent)
    write_bytes(path, workbook_bytes(sheets))


def workbook_bytes(sheets: Sequence[NewSheet]) -> bytes:
    """The whole file, without time or machine: equal cells give equal bytes."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, xml in _parts(sheets):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 0
            archive.writestr(entry, xml.encode("utf-8"))
    return packed.getvalue()


def _parts(sheets: Sequence[NewSheet]) -> Iterable[tuple[str, str]]:
    numbers = range(1, len(sheets) + 1)
    yield "[Content_Types].xml", _content_types(numbers)
    yield "_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")])
    names = "".join(
        f'<sheet name={quoteattr(sheet.name)} sheetId="{n}" r:id="rId{n}"/>'
        for n, sheet in zip(numbers, sheets, strict=True)
    )
    yield (
        "xl/workbook.xml",
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{names}</sheets></workbook>',
    )
    targets = [("worksheet", f"worksheets/sheet{n}.xml") for n in numbers]
    yield "xl/_rels/workbook.xml.rels", _relations([*targets, ("styles", "styles.xml")])
    yield "xl/styles.xml", _STYLES
    for n, sheet in zip(numbers, sheets, strict=True):
        yield f"xl/worksheets/sheet{n}.xml", _sheet_xml(sheet)


def _content_types(numbers: Iterable[int]) -> str:
    parts = [("xl/workbook.xml", "sheet.main"), ("xl/styles.xml", "styles")]
    parts += [(f"xl/worksheets/sheet{n}.xml", "worksheet") for n in numbers]
    overrides = "".join(
        f'<Override PartName="/{part}" ContentType="{_TYPE}.{kind}+xml"/>' for part, kind in parts
    )
    return (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _relations(targets: Iterable[tuple[str, str]]) -> str:
    lines = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/{kind}" Target="{target}"/>'
        for n, (kind, target) in enumerate(targets, 1)
    )
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{lines}</Relationships>'


def _sheet_xml(sheet: NewSheet) -> str:
    letters: list[str] = []
    rows = []
    for n, cells in enumerate(sheet.rows, 1):
        while len(letters) < len(cells):
            letters.append(column_letters(len(letters)))
        xml = "".join(_cell_xml(f"{letters[i]}{n}", cell) for i, cell in enumerate(cells) if cell is not None)
        rows.append(f'<row r="{n}">{xml}</row>')
    return f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>{"".join(rows)}</sheetData></worksheet>'


def _cell_xml(address: str, cell: str | float) -> str:
    if isinstance(cell, (int, float)):
        return f'<c r="{address}"><v>{cell}</v></c>'
    style = f' s="{_LITERAL}"' if opens_like_a_formula(cell) else ""
    return f'<c r="{address}"{style} t="inlineStr">{string_xml(cell)}</c>'


def column_letters(number: int) -> str:
    """The name of a column: 0 is A, 26 is AA."""
    letters = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters
