"""Any text in a cell of an xlsx file, and back; and the first sheet of a workbook, cell by cell as stored.

The file format is XML 1.0, in which most control characters cannot be written at all. It writes them as
`_xHHHH_`, so a text that happens to read `_x0041_` must be distinguished from an escaped `A`. The usual way
(`_x005F_x0041_`) is undone by Excel but not by openpyxl and pandas. Here such a text is stored in two runs,
cut after its first underscore: no run holds an escape, so Excel, which undoes escapes run by run, and readers
that undo none both give the text as it was.

What reads back as what:

    text                                    Excel, read_sheet    openpyxl, pandas
    tabs, line ends (LF, CR LF, CR)         the same             the same
    `=1+1`, `007`, `_x0041_`, ` padded `    the same             the same (pandas: with dtype=str)
    U+0000 and the other characters that
    XML forbids, half surrogate pairs       the same             as `_x0000_`
    the empty text                          empty                empty (pandas: NaN)

`read_sheet` is our own because openpyxl does not undo `_xHHHH_` and drops `x005F_` from shared texts, and
pandas guesses types on top. There a text is what the file format defines, and a number is its digits:

    5  5.0  0.1         `5` `5.0` `0.1`: as written in the file; over 15 digits the shortest that is equal
    true                `True`, as Python and VLMEvalKit print it
    a date              `2024-05-01 00:00:00`: the text somebody typed is lost in the file
    a formula           its last result; the formula itself is in `formulas`
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from vlmbench.files.zip_parts import DAMAGED_ZIP, ZipParts

MOST_CHARACTERS = 32_767
"""What a cell holds, counted as Excel counts: characters outside the basic plane are two."""

_FORBIDDEN = re.compile("([\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]+)")
_INSIDE_ESCAPE_LIKE = re.compile("(?<=_)(?=x[0-9A-Fa-f]{4}_)")
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_ENTITIES = {"\r": "&#13;"}  # a bare CR would be read as LF
_OPENERS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)
_REFERENCE = re.compile(r"([A-Z]{1,3})([0-9]+)")
_PLAIN_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?")
_MOST_COLUMNS = 16_384
_MOST_UNPACKED = 200_000_000
_MOST_CELLS = 4_000_000
"""Rows and empty cells before a filled one count too."""
_MOST_IN_ONE = 4_000_000
"""Bytes of XML in one row, or in one shared text: it is in memory as a tree, at up to 20 times its size."""
_MOST_IN_PART = 4_000_000
"""Bytes of a part that is read as one tree: the list of sheets, the styles."""
_LONGEST_FORMAT = 255


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
    """The first sheet. Raises ValueError with the reason if the file is not a workbook."""
    with path.open("rb") as file:
        if file.read(4) == b"\xd0\xcf\x11\xe0":
            raise ValueError("it is encrypted with a password, or an old xls file")
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(ZipParts(archive, _MOST_UNPACKED)).first_sheet()
    except zipfile.BadZipFile:
        raise ValueError("this is not an xlsx file, or it was cut off while it was copied") from None
    except KeyError as error:
        raise ValueError(f"a part of it is missing: {error.args[0]}") from None
    except ET.ParseError as error:
        raise ValueError(f"its XML is broken: {error}") from None
    except (*DAMAGED_ZIP, LookupError) as error:  # also an encoding that Python lacks
        raise ValueError(f"it is damaged: {error}") from None


class _Reader:
    def __init__(self, parts: ZipParts) -> None:
        self.parts = parts
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
        relation = next((v for k, v in sheets[0].attrib.items() if k.endswith("}id")), "")
        rows = [row for row in self._rows(_part(self.targets[relation]["Target"])) if row[1]]
        names = [sheet.attrib["name"] for sheet in sheets]
        return Sheet(names[0], tuple(names[1:]), rows, self.formulas)

    def _xml(self, part: str) -> Element:
        parser = ET.XMLParser()  # noqa: S314 - expat limits entities
        size = 0
        for chunk in self.parts.chunks(part):
            size += len(chunk)
            if size > _MOST_IN_PART:
                raise ValueError(f"{part} has more than {_MOST_IN_PART // 1000**2} MB")
            parser.feed(chunk)
        return parser.close()

    def _elements(self, part: str, tag: str) -> Iterator[Element]:
        """Every element of this name, one in memory at a time."""
        parser: Any = ET.XMLPullParser(("end",))  # typeshed's events are of every kind
        size = 0
        for chunk in self.parts.chunks(part):
            parser.feed(chunk)
            size += len(chunk)
            for _, element in parser.read_events():
                if _tag(element) == tag:
                    yield element
                    element.clear()
                    size = 0
            if size > _MOST_IN_ONE:
                raise ValueError(f"one {tag!r} of {part} has more than {_MOST_IN_ONE // 1000**2} MB")
        parser.close()

    def _related(self, kind: str) -> str | None:
        """The part of this kind that the workbook names."""
        named = (r for r in self.targets.values() if r["Type"].endswith(f"/{kind}"))
        found = next(named, None)
        return None if found is None else _part(found["Target"])

    def _shared(self) -> list[str]:
        table: list[str] = []
        part = self._related("sharedStrings")
        for item in () if part is None else self._elements(part, "si"):
            table.append(_text(item))
            _refuse_over(len(table))
        return table

    def _date_styles(self) -> set[int]:
        """The cell styles that show a number as a date."""
        from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

        part = self._related("styles")
        if part is None:
            return set()
        sheet = self._xml(part)
        formats = dict(BUILTIN_FORMATS)
        formats |= {
            int(e.attrib["numFmtId"]): e.attrib["formatCode"] for e in sheet.iter() if _tag(e) == "numFmt"
        }
        dates = {n for n, code in formats.items() if is_date_format(code[:_LONGEST_FORMAT])}
        styles = (style for group in sheet if _tag(group) == "cellXfs" for style in group)
        return {n for n, style in enumerate(styles) if int(style.get("numFmtId", 0)) in dates}

    def _rows(self, part: str) -> Iterator[tuple[int, list[str | None]]]:
        number = count = 0
        for element in self._elements(part, "row"):
            before, number = number, int(element.get("r", number + 1))
            if number <= before:
                raise ValueError(f"it is damaged: row {number} is out of order")
            cells: list[str | None] = []
            for cell in element:
                column = _column(cell, len(cells))
                cells += [None] * (column + 1 - len(cells))
                cells[column] = self._value(cell, number, column)
            count += 1 + len(cells)
            _refuse_over(count)
            yield number, cells

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
            return self.shared[int(value) if value.isdecimal() else len(self.shared)]
        if kind == "b":
            return "True" if value == "1" else "False"
        if kind == "n":
            return _date(value) if int(cell.get("s", 0)) in self.dates else _number(value)
        return unescape(value)


def _refuse_over(cells: int) -> None:
    if cells > _MOST_CELLS:
        raise ValueError(f"it has more than {_MOST_CELLS:,} cells")


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


def string_xml(text: str) -> str:
    """The `<is>` element that holds a text."""
    runs = [_run_xml(run) for run in _runs(text)]
    if len(runs) <= 1:
        return f"<is>{''.join(runs) or '<t></t>'}</is>"
    return f"<is>{''.join(f'<r>{run}</r>' for run in runs)}</is>"


def unescape(run: str) -> str:
    """The text that one run of a cell stands for."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), run) if "_x" in run else run


def excel_length(text: str) -> int:
    """Characters as Excel counts them."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def fitting(text: str) -> str:
    """The longest beginning of a text that a cell holds; never half of a character."""
    if excel_length(text) <= MOST_CHARACTERS:
        return text
    kept = text[:MOST_CHARACTERS]
    while (over := excel_length(kept) - MOST_CHARACTERS) > 0:
        kept = kept[: len(kept) - (over + 1) // 2]
    return kept


def opens_like_a_formula(text: str) -> bool:
    """Whether a spreadsheet would execute this text when it is typed, pasted or read from a TSV."""
    return text.startswith(_OPENERS) and _NUMBER.fullmatch(text) is None


def _runs(text: str) -> list[str]:
    """The text in pieces, none of which a reader could take for an escape that is not meant."""
    runs: list[str] = []
    for number, part in enumerate(_FORBIDDEN.split(text)):
        if number % 2:
            runs.append("".join(f"_x{ord(c):04X}_" for c in part))
        elif part:
            runs += _INSIDE_ESCAPE_LIKE.split(part)
    return runs


def _run_xml(run: str) -> str:
    return f'<t xml:space="preserve">{escape(run, _ENTITIES)}</t>'
