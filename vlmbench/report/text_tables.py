"""Tables of text from jsonl, json, xlsx, tsv and csv files, every cell as it stands in the file.

Nothing is guessed: `007` stays `007`, `None` stays a word. A JSON number is its digits (`5.0` is `5.0`),
JSON null and an empty xlsx cell are None, an empty cell of a tsv or csv is the empty text.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmbench.errors import PredictionsError


@dataclass(frozen=True, slots=True)
class Nested:
    """A list or an object where a text belongs."""

    kind: str


Cell = str | Nested | None


@dataclass(frozen=True, slots=True)
class TextRow:
    """One record of a file."""

    number: int
    """As an editor counts: the line of a text file, the row of a sheet, the place in a JSON list."""
    cells: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class TextTable:
    """The records of a file."""

    path: Path
    columns: tuple[str, ...]
    rows: list[TextRow]
    sheets: tuple[str, ...] = ()
    """The names of the sheets, of which the first was read; empty for other files."""
    formulas: Mapping[tuple[int, str], str] = field(default_factory=dict)
    """By row number and column: the `=…` of a cell whose last result stands in `rows`."""


def read_table(path: Path) -> TextTable:
    """The records of a file, by its suffix."""
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise PredictionsError(
            f"`{path.suffix}` files are not read.", file=path, fix=_SAVE_AS.get(path.suffix.lower(), _KNOWN)
        )
    try:
        return reader(path)
    except FileNotFoundError:
        raise PredictionsError("there is no such file.", file=path) from None
    except OSError as error:
        raise PredictionsError(f"cannot be opened: {error.strerror or error}.", file=path) from None


def _read_jsonl(path: Path) -> TextTable:
    rows = []
    for number, line in enumerate(_decoded(path).split("\n"), 1):
        if line.strip():
            record = _parse(path, line, first_line=number)
            if not isinstance(record, dict):
                raise PredictionsError(
                    f"this line is {_kind(record)}, not an object.",
                    file=path,
                    row=number,
                    fix='Each line is `{"index": …, "prediction": …}`.',
                )
            rows.append(_record(number, record))
    return _table(path, rows)


def _read_json(path: Path) -> TextTable:
    document = _parse(path, _decoded(path))
    if isinstance(document, dict):
        items = enumerate(document.items(), 1)
        return _table(path, [_record(n, _as_record(index, value)) for n, (index, value) in items])
    if isinstance(document, list) and all(isinstance(item, dict) for item in document):
        return _table(path, [_record(n, item) for n, item in enumerate(document, 1)])
    raise PredictionsError(
        "neither a list of records nor an object from index to text.",
        file=path,
        fix='Write `[{"index": …, "prediction": …}, …]` or `{"index": "text", …}`.',
    )


def _as_record(index: str, value: Any) -> dict[str, Any]:
    """One entry of an object from index to text, or from index to record."""
    return {"index": index, **value} if isinstance(value, dict) else {"index": index, "prediction": value}


def _record(number: int, record: Mapping[str, Any]) -> TextRow:
    return TextRow(number, {name: _cell(value) for name, value in record.items()})


def _cell(value: Any) -> Cell:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return Nested(_kind(value))


def _kind(value: Any) -> str:
    return {dict: "an object", list: "a list", type(None): "null"}.get(type(value), "a bare value")


def _parse(path: Path, text: str, first_line: int = 1) -> Any:
    try:
        # Numbers stay the digits they are written in.
        return json.loads(
            text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_no_key_twice
        )
    except json.JSONDecodeError as error:
        raise PredictionsError(
            f"broken JSON: {error.msg}, column {error.colno}.",
            file=path,
            row=first_line + error.lineno - 1,
            fix="One record a line? Then name it `.jsonl`." if error.msg == "Extra data" else None,
        ) from None
    except RecursionError:
        raise PredictionsError("nested too deeply.", file=path, row=first_line) from None
    except ValueError as error:
        raise PredictionsError(f"{error}.", file=path, row=first_line) from None


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"`{twice}` stands there twice")
    return found


def _read_separated(path: Path, delimiter: str) -> TextTable:
    lines = csv.reader(io.StringIO(_decoded(path), newline=""), delimiter=delimiter, strict=True)
    before = csv.field_size_limit(sys.maxsize)
    try:
        records = list(_numbered(path, lines))
    finally:
        csv.field_size_limit(before)
    header = records[0][1] if records else []
    for number, cells in records:
        if len(cells) != len(header):
            raise PredictionsError(
                f"{len(cells)} cells where the header has {len(header)}.", file=path, row=number
            )
    rows = [TextRow(number, dict(zip(header, cells, strict=True))) for number, cells in records[1:]]
    return TextTable(path, tuple(header), rows)


def _numbered(path: Path, lines: Any) -> Iterator[tuple[int, list[str]]]:
    """Each record that is no blank line, with the line it starts on; it may run over several."""
    while True:
        start = lines.line_num + 1
        try:
            cells = next(lines, None)
        except csv.Error as error:
            raise PredictionsError(f"the record that starts here: {error}.", file=path, row=start) from None
        if cells is None:
            return
        if cells:
            yield start, cells


def _read_xlsx(path: Path) -> TextTable:
    from vlmbench.report.xlsx_reader import read_sheet

    try:
        sheet = read_sheet(path)
    except ValueError as error:
        raise PredictionsError(
            f"cannot be read as a workbook: {error}.", file=path, fix="Save it again as a plain `.xlsx`."
        ) from None
    if not sheet.rows:
        raise PredictionsError(f"the first sheet, `{sheet.name}`, is empty.", file=path)
    header = ["" if name is None else name for name in sheet.rows[0][1]]
    rows = [
        TextRow(n, dict(zip(header, cells + [None] * (len(header) - len(cells)), strict=False)))
        for n, cells in sheet.rows[1:]
        if any(cell is not None for cell in cells)
    ]
    formulas = {(n, header[c]): text for (n, c), text in sheet.formulas.items() if c < len(header)}
    return TextTable(
        path, tuple(name for name in header if name), rows, (sheet.name, *sheet.others), formulas
    )


def _table(path: Path, rows: list[TextRow]) -> TextTable:
    return TextTable(path, tuple(dict.fromkeys(name for row in rows for name in row.cells)), rows)


def _decoded(path: Path) -> str:
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PredictionsError(
            f"not {encoding.removesuffix('-sig').upper()} at byte {error.start}.",
            file=path,
            row=line,
            fix="Save it as UTF-8, in Excel `CSV UTF-8`.",
        ) from None


_READERS: dict[str, Callable[[Path], TextTable]] = {
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".xlsx": _read_xlsx,
    ".tsv": lambda path: _read_separated(path, "\t"),
    ".csv": lambda path: _read_separated(path, ","),
}
_KNOWN = f"Use one of {', '.join(_READERS)}."
_SAVE_AS = {
    ".xls": "Save it as `.xlsx`.",
    ".pkl": f"Opening a pickle runs the code inside it. {_KNOWN}",
}


def listed(names: Iterable[object], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    every = [str(name) for name in names]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more
