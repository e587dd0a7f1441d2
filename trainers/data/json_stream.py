"""The records of a JSON list or of JSON lines, one at a time: a file of any size takes little memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from vlmbench.data.disk import FIRST_BYTES, check_download
from vlmbench.errors import DataError, NoSuchData

_BLOCK = 1 << 22
_LONGEST = 1 << 28
"""A record that goes on for longer than this many characters has lost its closing quote."""
_SPACE = " \t\r\n"
_STRING_OR_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record as text: its number from 1, and how many bytes of the file have been read by then."""

    row: int
    text: str
    read: int


def raw_records(path: Path) -> Iterator[RawRecord]:
    """Every record of a `.json` (list) or `.jsonl` (lines) file, still as text.

    The first character decides which of the two it is, so that a misnamed file is read all the same.
    """
    if path.suffix not in (".json", ".jsonl"):
        raise DataError(
            "a LLaVA file is a .json or .jsonl file.",
            file=path,
            fix="A recipe reads parquet, Arrow and webdataset shards as `files:` instead of `annotations:`.",
        )
    try:
        with path.open("rb") as file:
            yield from _listed(_Text(file, path)) if _first(file, path) == b"[" else _lines(file, path)
    except FileNotFoundError:
        raise NoSuchData("there is no such file.", file=path) from None
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}.", file=path) from error


def count_records(path: Path) -> int:
    """How many records there are."""
    return sum(1 for _ in raw_records(path))


def _first(file: BinaryIO, path: Path) -> bytes:
    head = file.read(FIRST_BYTES)
    check_download(head, path)
    file.seek(0)
    return head.removeprefix(codecs.BOM_UTF8).lstrip()[:1]


def _lines(file: BinaryIO, path: Path) -> Iterator[RawRecord]:
    read = 0
    for row, line in enumerate(file, 1):
        read += len(line)
        try:
            text = line.decode("utf-8-sig" if row == 1 else "utf-8").strip()
        except UnicodeDecodeError as error:
            raise DataError(f"is not UTF-8 ({error.reason}).", file=path, row=row) from None
        if text:
            yield RawRecord(row, text, read)


class _Text:
    """A window on the file's text that moves forward."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self.path = file, path
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self.buffer, self.at, self.read = "", 0, 0
        self.ended = False

    def more(self) -> None:
        """Forget what is behind, read on."""
        block = self._file.read(_BLOCK)
        self.read += len(block)
        self.ended = not block
        try:
            fresh = self._decode.decode(block, final=self.ended)
        except UnicodeDecodeError as error:
            raise DataError(f"is not UTF-8 ({error.reason}).", file=self.path) from None
        self.buffer, self.at = self.buffer[self.at :] + fresh, 0

    def next_mark(self) -> str:
        """The next character that is no space, or nothing at the end."""
        while True:
            while self.at < len(self.buffer) and self.buffer[self.at] in _SPACE:
                self.at += 1
            if self.at < len(self.buffer):
                return self.buffer[self.at]
            if self.ended:
                return ""
            self.more()

    def behind(self) -> int:
        """Bytes of the file in front of the window, about."""
        return self.read - (len(self.buffer) - self.at)


def _listed(text: _Text) -> Iterator[RawRecord]:
    # Only where a record ends is asked for; a number of thousands of digits must not hide it.
    decode = json.JSONDecoder(parse_int=len).raw_decode
    text.next_mark()
    text.at += 1
    row = 0
    while (mark := text.next_mark()) != "]":
        if row:
            if mark != ",":
                raise DataError(
                    "a comma or the end of the list is missing after this.", file=text.path, row=row
                )
            text.at += 1
            text.next_mark()
        row += 1
        end = _end(text, decode, row)
        yield RawRecord(row, text.buffer[text.at : end], text.behind())
        text.at = end
    text.at += 1
    if text.next_mark():
        raise DataError("there is more after the end of the list.", file=text.path)


def _end(text: _Text, decode: Any, row: int) -> int:
    """Where the value that begins here ends, reading on until it is whole."""
    while True:
        try:
            return int(decode(text.buffer, text.at)[1])
        except RecursionError:
            return _end_by_brackets(text, row)
        except json.JSONDecodeError as error:
            unfinished = error.msg.startswith("Unterminated") or error.pos > len(text.buffer) - 12
            if text.ended or not unfinished or len(text.buffer) - text.at > _LONGEST:
                raise DataError(f"is not JSON: {error.msg}.", file=text.path, row=row) from None
            text.more()


def _end_by_brackets(text: _Text, row: int) -> int:
    """The same of a value nested too deeply to be read: those after it are still records."""
    while True:
        depth = 0
        for match in _STRING_OR_BRACKET.finditer(text.buffer, text.at):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(match[0], 0)
            if depth == 0:
                return match.end()
        if text.ended or len(text.buffer) - text.at > _LONGEST:
            raise DataError("lists or objects are nested too deeply.", file=text.path, row=row)
        text.more()
