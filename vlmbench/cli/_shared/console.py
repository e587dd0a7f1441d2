"""What every verb prints with: lines on stderr, tables and JSON on stdout."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Container, Iterable, Mapping
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from vlmbench.chinese import in_chinese, translated
from vlmbench.errors import within_screen
from vlmbench.plain_text import json_text, printable
from vlmbench.terminal.output import write
from vlmbench.terminal.screen import line_removed, stream

if TYPE_CHECKING:
    from rich.console import Console


INCOMPLETE = 4
"""The exit code where rows have no answer, or an error, or files are missing."""
_ANY_WIDTH = 1000
"""Columns of a pipe, which has none: more than any line needs."""
_SHORT = 3
"""A word with fewer letters, a language for one, stands in too many others."""


def complain(text: str) -> None:
    """One paragraph on stderr, its head red on a terminal that takes colours."""
    colour = stream().isatty() and not os.environ.get("NO_COLOR")
    head = "\033[1;31mvlmbench:\033[0m" if colour else "vlmbench:"
    with line_removed():
        print(f"{head} {printable(within_screen(translated(text)))}", file=stream())


def stdout() -> Console:
    """The console of tables: colours on a terminal, in a pipe plain text of any width; English or Chinese."""
    width = None if sys.stdout.isatty() else _ANY_WIDTH
    if in_chinese():
        from vlmbench.cli._shared.chinese_console import ChineseConsole

        return ChineseConsole(soft_wrap=False, width=width)
    from vlmbench.terminal.console import PlainConsole

    return PlainConsole(soft_wrap=False, width=width)


def print_line(text: str) -> None:
    """A line of plain text that is never wrapped: paths and commands can be copied whole."""
    stdout().print(text, soft_wrap=True)


def print_json(document: Any) -> None:
    """A JSON document on stdout; characters that its encoding lacks are escaped."""
    write(json_text(document, sys.stdout.encoding or "utf-8", indent=2))


def fitting_rows(
    rows: Iterable[dict[str, Any]], words: Iterable[str], keys: Container[str] | None = None
) -> list[dict[str, Any]]:
    """The rows that have each word: within a cell, alone if it is short (`zh`), or as a pattern (`*_CN`)."""

    def stands(word: str, row: dict[str, Any]) -> bool:
        cells = [str(cell).lower() for key, cell in row.items() if keys is None or key in keys]
        if any(mark in word for mark in "*?["):
            return any(fnmatchcase(cell, word) for cell in cells)
        if len(word) < _SHORT:
            return any(word in re.split(r"[\W_]+", cell) for cell in cells)
        return any(word in cell for cell in cells)

    wanted = [word.lower() for word in words]
    return [row for row in rows if all(stands(word, row) for word in wanted)]


def complain_of_unscored(document: Mapping[str, Any], rows: str) -> None:
    """Name the questions that no figure counts, for output without tables; `rows` is the file with all."""
    from vlmbench.report.tables import unscored_line

    if (line := unscored_line(document, rows)) is not None:
        complain(line)
