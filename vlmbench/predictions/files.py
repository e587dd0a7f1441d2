"""Files of strangers as text: JSON documents, one object a line, and tables (jsonl, json, xlsx, tsv, csv).

Nothing is guessed: `007` stays `007`, `None` stays a word. A JSON number is the digits it is written in
(`5.0` is `5.0`), JSON null and an empty xlsx cell are None, an empty cell of a tsv or csv is the empty text.
Whatever is wrong with a file (cut off, nested too deeply, a comma too many, a key twice) is a
PredictionsError that names the line.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmbench.errors import NoSuchPredictions, PredictionsError
from vlmbench.files.json_files import kind_of
from vlmbench.plain_text import visible

_COMMA_BEFORE = re.compile(r"^.?,\s*([\]}])")


@dataclass(frozen=True, slots=True)
class JsonLines:
    """A file with one object a line."""

    records: tuple[tuple[int, Mapping[str, Any]], ...]
    """Line number, as an editor counts, and object."""


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


def read_json(path: Path) -> Any:
    """`JsonLines` where every line is an object of its own, else the document.

    The suffix decides what is tried first: LLaVA names a document `…_output.jsonl`, POPE's authors name
    lines `.json`.
    """
    text = decoded(path)
    if path.suffix.lower() == ".jsonl":
        try:
            return read_lines(path, text)
        except PredictionsError:
            document = _document_over_lines(text)
            if document is None:
                raise
            return document
    try:
        return parse(path, text)
    except PredictionsError:
        if _first_line_is_an_object(text):
            return read_lines(path, text)
        raise


def read_lines(path: Path, text: str) -> JsonLines:
    """One object a line; blank lines do not count."""
    records = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            record = parse(path, line, first_line=number)
            if not isinstance(record, dict):
                raise PredictionsError(
                    f"this line is {kind_of(record)}, not an object.",
                    file=path,
                    row=number,
                    fix='Each line is `{"index": …, "prediction": …}`.',
                )
            records.append((number, record))
    return JsonLines(tuple(records))


def parse(path: Path, text: str, first_line: int = 1, part: str | None = None) -> Any:
    """A JSON text; numbers are their digits, `NaN` is the word. `part` names the member of an archive."""
    where = path if part is None else f"{path}, {visible(part)}"
    try:
        return json.loads(
            text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_no_key_twice
        )
    except json.JSONDecodeError as error:
        raise _broken(path, where, text, error, first_line) from None
    except RecursionError:
        raise PredictionsError("nested too deeply.", file=where, row=first_line) from None
    except ValueError as error:
        raise PredictionsError(f"{error}.", file=where, row=first_line) from None


def read_table(path: Path) -> TextTable:
    """The records of a file, by its suffix."""
    if not path.exists():
        raise NoSuchPredictions("there is no such file.", file=path)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise NoSuchPredictions(
            f"`{path.suffix}` files are not read.", file=path, fix=_SAVE_AS.get(path.suffix.lower(), _KNOWN)
        )
    try:
        return reader(path)
    except FileNotFoundError:
        raise NoSuchPredictions("there is no such file.", file=path) from None
    except OSError as error:
        raise PredictionsError(f"cannot be opened: {error.strerror or error}.", file=path) from None


def table_of(path: Path, value: Any) -> TextTable:
    """The records of a JSON file: one a line, a list of them, or an object from index to text or record."""
    if isinstance(value, JsonLines):
        return _table(path, [_record(number, record) for number, record in value.records])
    if isinstance(value, dict):
        items = enumerate(value.items(), 1)
        return _table(path, [_record(n, _as_record(index, value)) for n, (index, value) in items])
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return _table(path, [_record(n, item) for n, item in enumerate(value, 1)])
    raise PredictionsError(
        "neither a list of records nor an object from index to text.",
        file=path,
        fix='Write `[{"index": …, "prediction": …}, …]` or `{"index": "text", …}`.',
    )


def _as_record(index: str, value: Any) -> dict[str, Any]:
    """One entry of an object from index to text, or from index to record."""
    return {"index": index, **value} if isinstance(value, dict) else {"index": index, "prediction": value}


def _record(number: int, record: Mapping[str, Any]) -> TextRow:
    return TextRow(number, {name: cell_of(value) for name, value in record.items()})


def cell_of(value: Any) -> Cell:
    """A JSON value as a cell; numbers are texts already, see `parse`."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return Nested(kind_of(value))


def _read_separated(path: Path, delimiter: str) -> TextTable:
    lines = csv.reader(io.StringIO(decoded(path), newline=""), delimiter=delimiter, strict=True)
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
    from vlmbench.predictions.xlsx import read_sheet

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


_READERS: dict[str, Callable[[Path], TextTable]] = {
    ".jsonl": lambda path: table_of(path, read_json(path)),
    ".json": lambda path: table_of(path, read_json(path)),
    ".xlsx": _read_xlsx,
    ".tsv": lambda path: _read_separated(path, "\t"),
    ".csv": lambda path: _read_separated(path, ","),
}
_KNOWN = f"Use one of {', '.join(_READERS)}, or what docs/predictions.md lists."
_SAVE_AS = {
    ".txt": f"Is it a category of MME? Then name the folder that holds all of them. {_KNOWN}",
    ".xls": "Save it as `.xlsx`.",
    ".pkl": f"Opening a pickle runs the code inside it. {_KNOWN}",
}


def listed(names: Iterable[object], most: int = 5) -> str:
    """The first few names, and how many more there are."""
    every = [visible(str(name), 60) for name in names]
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def decoded(path: Path) -> str:
    """The text of a file in UTF-8, or in UTF-16 with its mark."""
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


def _broken(
    path: Path, where: Path | str, text: str, error: json.JSONDecodeError, first_line: int
) -> PredictionsError:
    what, fix = f"{error.msg}, column {error.colno}", None
    before, after = text[: error.pos].rstrip(), text[error.pos :].strip()
    if error.msg == "Extra data" and after.startswith(","):
        what = "this line ends in a comma; one object a line needs none"
        fix = f"`sed -i 's/,[[:space:]]*$//' {shlex.quote(str(path))}` removes them."
    elif closing := _COMMA_BEFORE.search(f"{before[-1:]}{after[:20]}"):
        what, fix = f"a comma stands before the closing `{closing[1]}`", "Remove that comma."
    elif not after:
        what, fix = f"it is cut off ({what})", "Copy or write the file again."
    elif error.msg == "Extra data":
        fix = "One record a line? Then put each on a line of its own."
    row = first_line + error.lineno - 1
    return PredictionsError(f"broken JSON: {what}.", file=where, row=row, fix=fix)


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"`{visible(twice)}` stands there twice")
    return found


def _document_over_lines(text: str) -> Any:
    """The document that fills the whole file; None where there is none."""
    try:
        document = parse(Path(), text)
    except PredictionsError:
        return None
    return document if isinstance(document, dict | list) else None


def _first_line_is_an_object(text: str) -> bool:
    """Whether the file looks like one object a line rather than one document."""
    first, _, rest = text.lstrip().partition("\n")
    return bool(rest.strip()) and first.rstrip().rstrip(",").endswith("}") and rest.lstrip().startswith("{")
