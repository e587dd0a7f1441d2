"""Read the first sheet of a workbook as text, cell by cell as stored.

openpyxl does not undo `_xHHHH_` and drops `x005F_` from shared texts; pandas guesses types on top. Here
a text is what the file format says it is, and a number is its digits:

    text                as it was, escapes undone
    5  5.0  0.1         `5` `5.0` `0.1`: as written in the file; over 15 digits the shortest that is equal
    true                `True`, as Python and VLMEvalKit print it
    a date              `2024-05-01 00:00:00`: the text somebody typed is lost in the file
    a formula           its last result; the formula itself is in `formulas`
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element

from vlmbench.predictions.excel_text import unescape

_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]+)")
_PLAIN_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?")
_MOST_COLUMNS = 16_384


@dataclass(frozen=True, slots=True)
class Sheet:
    """The cells of one sheet."""

    name: str
    others: tuple[str, ...]
    """The names of the sheets that were not read."""
    rows: list[tuple[int, list[str | None]]]
    """Row number (1 is the first) and cells; rows without any cell are left out."""
    formulas: dict[tuple[int, int], str] = field(default_factory=dict)
    """By row number and column (0 is A): `=…`."""


def read_sheet(path: Path) -> Sheet:
    """The first sheet. Raises ValueError with a reason when the file is no workbook."""
    with path.open("rb") as file:
        if file.read(4) == b"\xd0\xcf\x11\xe0":
            raise ValueError("it is encrypted with a password, or an old xls file")
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(archive).first_sheet()
    except zipfile.BadZipFile:
        raise ValueError("it is no xlsx file, or was cut off while it was copied") from None
    except KeyError as error:
        raise ValueError(f"a part of it is missing: {error.args[0]}") from None
    except ET.ParseError as error:
        raise ValueError(f"its XML is broken: {error}") from None
    except (EOFError, RuntimeError, zlib.error, IndexError, OverflowError) as error:
        raise ValueError(f"it is damaged: {error}") from None


class _Reader:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.workbook = self._xml("xl/workbook.xml")
        self.targets = {
            relation.attrib["Id"]: relation.attrib for relation in self._xml("xl/_rels/workbook.xml.rels")
        }
        self.shared = self._shared()
        self.dates = self._date_styles()
        self.formulas: dict[tuple[int, int], str] = {}

    def first_sheet(self) -> Sheet:
        sheets = [e for e in self.workbook.iter() if _tag(e) == "sheet"]
        if not sheets:
            raise ValueError("it has no sheet")
        relation = next(v for k, v in sheets[0].attrib.items() if k.endswith("}id"))
        with self.archive.open(_part(self.targets[relation]["Target"])) as file:
            rows = [row for row in self._rows(file) if row[1]]
        names = [sheet.attrib["name"] for sheet in sheets]
        return Sheet(names[0], tuple(names[1:]), rows, self.formulas)

    def _xml(self, part: str) -> Element:
        return ET.fromstring(self.archive.read(part))  # noqa: S314 - expat limits entities

    def _related(self, kind: str) -> Element | None:
        for relation in self.targets.values():
            if relation["Type"].endswith(f"/{kind}"):
                return self._xml(_part(relation["Target"]))
        return None

    def _shared(self) -> list[str]:
        table = self._related("sharedStrings")
        return [] if table is None else [_text(item) for item in table]

    def _date_styles(self) -> set[int]:
        """The cell styles that show a number as a date."""
        from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

        sheet = self._related("styles")
        if sheet is None:
            return set()
        formats = dict(BUILTIN_FORMATS)
        formats |= {
            int(e.attrib["numFmtId"]): e.attrib["formatCode"] for e in sheet.iter() if _tag(e) == "numFmt"
        }
        styles = (style for group in sheet if _tag(group) == "cellXfs" for style in group)
        shown = [formats.get(int(style.get("numFmtId", 0)), "General") for style in styles]
        return {n for n, code in enumerate(shown) if is_date_format(code)}

    def _rows(self, file: IO[bytes]) -> Iterator[tuple[int, list[str | None]]]:
        number = 0
        for _, element in ET.iterparse(file):  # noqa: S314
            if _tag(element) != "row":
                continue
            number = int(element.get("r", number + 1))
            cells: list[str | None] = []
            for cell in element:
                column = _column(cell, len(cells))
                cells += [None] * (column + 1 - len(cells))
                cells[column] = self._value(cell, number, column)
            yield number, cells
            element.clear()

    def _value(self, cell: Element, row: int, column: int) -> str | None:
        parts = {_tag(part): part for part in cell}
        formula = parts.get("f")
        if formula is not None and formula.text:
            self.formulas[row, column] = f"={unescape(formula.text)}"
        kind = cell.get("t", "n")
        if kind == "inlineStr":
            return _text(parts["is"]) if "is" in parts else None
        value = parts["v"].text if "v" in parts else None
        if value is None:
            return None
        if kind == "s":
            return self.shared[int(value)]
        if kind == "b":
            return "True" if value == "1" else "False"
        if kind == "n":
            return _date(value) if int(cell.get("s", 0)) in self.dates else _number(value)
        return unescape(value)


def _tag(element: Element) -> str:
    """The name without its namespace, of which there are two generations."""
    return element.tag.rpartition("}")[2]


def _part(target: str) -> str:
    return target.lstrip("/") if target.startswith("/") else f"xl/{target}"


def _text(item: Element) -> str:
    """A text in one piece or in runs; readings (`rPh`) of Chinese characters are not part of it."""
    pieces = []
    for part in item:
        if _tag(part) == "t":
            pieces.append(part.text or "")
        elif _tag(part) == "r":
            pieces += [t.text or "" for t in part if _tag(t) == "t"]
    return "".join(map(unescape, pieces))


def _column(cell: Element, following: int) -> int:
    found = _REFERENCE.fullmatch(cell.get("r", ""))
    if found is None:
        return following
    number = 0
    for letter in found[1]:
        number = number * 26 + ord(letter) - ord("A") + 1
    if not following < number <= _MOST_COLUMNS:
        raise ValueError(f"it is damaged: cell {cell.get('r')} is out of order")
    return number - 1


def _number(value: str) -> str:
    return value if _PLAIN_NUMBER.fullmatch(value) else repr(float(value))


def _date(value: str) -> str:
    from openpyxl.utils.datetime import from_excel

    return str(from_excel(float(value)))
