"""Read a tab-separated file row by row, holding one row at a time.

Quoting is that of csv and pandas: a cell that starts with `"` runs to the next lone `"`, over tabs
and line ends; `""` inside it is one quote; a quote elsewhere in a cell is an ordinary character.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

from vlmbench.data.disk import FIRST_BYTES, check_download
from vlmbench.errors import DataError, NoSuchData
from vlmbench.plain_text import visible

MAX_ROW = 256 * 1024 * 1024
"""A longer row is taken for a quote that nobody closed, before it fills the memory."""

_BOM = b"\xef\xbb\xbf"
_OTHER_FILES = {
    b"\xff\xfe": "it is UTF-16, not UTF-8.",
    b"\xfe\xff": "it is UTF-16, not UTF-8.",
    b"PK\x03\x04": "it is a zip or xlsx file, not a TSV.",
    b"\x1f\x8b": "it is compressed with gzip.",
}


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row as it stands in the file."""

    number: int
    """1 for the first row under the header."""
    line: int
    """The line of the file it starts on."""
    header: tuple[str, ...]
    cells: tuple[str, ...]

    @property
    def problem(self) -> str | None:
        """What is wrong with the row's shape, if anything is."""
        if len(self.cells) == len(self.header):
            return None
        return f"line {self.line} has {len(self.cells)} cells where the header has {len(self.header)}"

    def by_column(self) -> dict[str, str]:
        """Cells by column; cells that are missing are empty, cells too many are left out."""
        padded = self.cells + ("",) * (len(self.header) - len(self.cells))
        return dict(zip(self.header, padded, strict=False))


def read_header(path: Path, need: Sequence[str] = ()) -> tuple[str, ...]:
    """The column names; a DataError when one of `need` is missing."""
    for _line, cells in _records(path):
        return _checked_header(path, cells, need)
    raise DataError("the file is empty.", file=path)


def read_rows(path: Path, need: Sequence[str] = ()) -> Iterator[RawRow]:
    """Every row, in file order. A last row that is cut off is a DataError: the rest is lost.

    A row of the wrong width elsewhere is given as it is, see `RawRow.problem`.
    """
    header = read_header(path, need)
    records = _records(path)
    next(records)
    row: RawRow | None = None
    for number, (line, cells) in enumerate(records, start=1):
        if row is not None:
            yield row
        row = RawRow(number, line, header, tuple(cells))
    if row is not None and len(row.cells) < len(header):
        raise _cut_off(f"its last row has {len(row.cells)} of {len(header)} cells", path, row.number)
    if row is not None:
        yield row


def require_columns(path: Path, columns: Sequence[str], need: Sequence[str]) -> None:
    """A DataError unless all of `need` are there."""
    missing = [name for name in dict.fromkeys(need) if name not in columns]
    if not missing:
        return
    spare = [column for column in columns if column not in need]
    near = {name: difflib.get_close_matches(name, spare, n=1, cutoff=0.7) for name in missing}
    renamed = [f"rename `{visible(found[0])}` to `{name}`" for name, found in near.items() if found]
    fix = f"Did you mean it? Then {' and '.join(renamed)}." if renamed else None
    if len(columns) == 1 and "," in columns[0]:
        fix = "It seems to be separated by commas; a benchmark file needs tabs."
    named = " and ".join(f"`{name}`" for name in missing)
    raise DataError(
        f"the header lacks {named}; it has {visible(', '.join(columns), 300)}.", file=path, fix=fix
    )


def _checked_header(path: Path, cells: Sequence[str], need: Sequence[str]) -> tuple[str, ...]:
    # A nameless column is what `to_csv` makes of a row number; pandas names it so on reading.
    header = tuple(cell or f"Unnamed: {i}" for i, cell in enumerate(cells))
    doubled = [name for name, count in Counter(header).items() if count > 1]
    if doubled:
        raise DataError("the header names this column twice.", file=path, key=doubled[0])
    require_columns(path, header, need)
    return header


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every record, the header included; blank lines are passed over."""
    open_record: _Record | None = None
    for number, text in _lines(path):
        body = text.removesuffix("\n").removesuffix("\r")
        if open_record is None:
            if not body.strip(" "):
                continue
            if '"' not in body:
                yield number, body.split("\t")
                continue
        record = open_record or _Record(path, number)
        complete = record.feed(body, text[len(body) :])
        open_record = None if complete else record
        if complete:
            yield record.line, record.cells
    if open_record is not None:
        raise _cut_off(f"a quote opened on line {open_record.quote} is never closed", path)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines with their line ends; a DataError on the first byte that is not UTF-8 text."""
    offset = 0
    with _opened(path) as file:
        for number, raw in enumerate(iter(partial(_read_line, file, path), b""), start=1):
            if number == 1:
                _refuse_other_files(path, raw)
            if len(raw) > MAX_ROW:
                raise DataError(f"line {number} is longer than {MAX_ROW >> 20} MiB.", file=path)
            if (nul := raw.find(b"\0")) >= 0:
                raise _not_text(f"there is a NUL byte at position {offset + nul} (line {number})", path)
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                skipped = len(_BOM) if number == 1 and raw.startswith(_BOM) else 0
                byte, at = error.object[error.start], offset + skipped + error.start
                raise _not_text(
                    f"byte 0x{byte:02x} at position {at} (line {number}) is not UTF-8", path
                ) from None
            yield number, text
            offset += len(raw)


class _Record:
    """A record that is put together from one or more lines because it holds quotes."""

    def __init__(self, path: Path, line: int) -> None:
        self.line = line
        self.quote = line
        """The line on which the last quote was opened."""
        self.cells: list[str] = []
        self._path = path
        self._parts: list[str] | None = None
        self._lines = self._size = 0

    def feed(self, body: str, end: str) -> bool:
        """Take one more line; True when the record is complete."""
        self._size += len(body)
        if self._size > MAX_ROW:
            raise _cut_off(
                f"a quote opened on line {self.quote} is not closed within {MAX_ROW >> 20} MiB", self._path
            )
        at = 0 if self._parts is not None else -1
        while True:
            at = self._plain(body, at + 1) if self._parts is None else self._quoted(body, at, end)
            if at < 0:
                self._lines += 1
                return False
            if at >= len(body) and self._parts is None:
                return True

    def _plain(self, body: str, at: int) -> int:
        """Take the cell that starts here, or open the quoted one; where to go on."""
        if body.startswith('"', at):
            self._parts, self.quote = [], self.line + self._lines
            return at + 1
        end = _next_tab(body, at)
        self.cells.append(body[at:end])
        return end

    def _quoted(self, body: str, at: int, line_end: str) -> int:
        """Go on inside quotes; where the cell ends, or -1 when the line ends first."""
        parts = self._parts or []
        self._parts = parts
        while (quote := body.find('"', at)) >= 0:
            parts.append(body[at:quote])
            if not body.startswith('"', quote + 1):
                end = _next_tab(body, quote + 1)
                # What stands between the closing quote and the tab belongs to the cell, as in pandas.
                self.cells.append("".join(parts) + body[quote + 1 : end])
                self._parts = None
                return end
            parts.append('"')
            at = quote + 2
        parts.append(body[at:] + line_end)
        return -1


def _next_tab(body: str, at: int) -> int:
    end = body.find("\t", at)
    return len(body) if end < 0 else end


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb", buffering=1 << 20)
    except FileNotFoundError:
        raise NoSuchData("there is no such file.", file=path) from None
    except OSError as error:
        raise DataError(f"the file cannot be opened: {error.strerror}.", file=path) from error


def _read_line(file: BinaryIO, path: Path) -> bytes:
    try:
        return file.readline(MAX_ROW + 1)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}.", file=path) from error


def _refuse_other_files(path: Path, first_line: bytes) -> None:
    check_download(first_line[:FIRST_BYTES], path)
    for magic, what in _OTHER_FILES.items():
        if first_line.startswith(magic):
            raise DataError(what, file=path, fix="A benchmark file is tab-separated text in UTF-8.")


def _not_text(what: str, path: Path) -> DataError:
    fix = (
        "Save the file as UTF-8 text; of a GBK file, `iconv -f GBK -t UTF-8 FILE > NEW` makes one. "
        "If it was downloaded, download it again."
    )
    return DataError(f"{what}, so the file is damaged or in another encoding.", file=path, fix=fix)


def _cut_off(what: str, path: Path, row: int | None = None) -> DataError:
    fix = "Download it again; in a file of your own, a quote that starts a cell is written as three."
    return DataError(f"the file is cut off: {what}.", file=path, row=row, fix=fix)
