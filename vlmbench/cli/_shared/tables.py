"""Rows as a table: as wide as the terminal, whole in a pipe; or tab separated, or JSON, where asked for."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from vlmbench.chinese import translated
from vlmbench.chinese.width import lines_of, width_of
from vlmbench.cli._shared.console import print_json
from vlmbench.plain_text import one_line
from vlmbench.terminal.output import write
from vlmbench.terminal.screen import note

FORMATS = ("table", "tsv", "json")
UNKNOWN = "?"
"""In a column of numbers: one that nobody knows."""
_GAP = 2
"""Blanks between two columns."""
_HANGING = 24
"""The first column is at least so wide where longer names have lines of their own."""
_READABLE = 16
"""Wrapped cells are at least so wide."""

Rows = Sequence[Mapping[str, Any]]


def print_rows(
    rows: Rows, form: str = "table", *, prose: Collection[str] = (), least: Sequence[str] = ()
) -> None:
    """Print rows in one of the formats.

    On a terminal the columns of `prose` are wrapped between words. Where that does not do, a long name in the
    first column has a line of its own; and then those of `least` are left out, the first first. Other cells
    stay whole, and so does everything in a pipe.
    """
    if form == "json":
        print_json([dict(row) for row in rows])
    elif not rows:
        note(translated("none"))
    elif form == "tsv":
        _print_tabbed(rows)
    else:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        lines, left_out = table_lines(rows, width, prose=prose, least=least)
        write(lines[0], bold=_has_bold())
        write("\n".join(lines[1:]))
        if left_out:
            named = ", ".join(map(translated, left_out))
            note(f"left out at this width: {named}; `--format tsv` has every column")


def print_facts(facts: Mapping[str, Any]) -> None:
    """Names and values, tab separated."""
    for name, value in facts.items():
        write(f"{_cell(name)}\t{_cell(value)}")


def table_lines(
    rows: Rows, width: int | None, *, prose: Collection[str] = (), least: Sequence[str] = ()
) -> tuple[list[str], list[str]]:
    """The lines of the table, its header first, and the columns that have no room; None is any width."""
    names, left_out = [*rows[0]], list[str]()
    cells = {
        name: [translated(name), *(_shown(row.get(name), name in prose) for row in rows)] for name in names
    }
    dropped = iter([name for name in least if name in cells])
    while not (widths := _widths(names, cells, width, prose)):
        if (name := next(dropped, None)) is None:
            widths = {name: _least(name, cells, prose) for name in names}
            widths[names[0]] = min(widths[names[0]], _HANGING)
            break
        names.remove(name)
        left_out.append(name)
    numbers = {name for name in names if all(map(_is_number, (row.get(name) for row in rows)))}
    lines = list[str]()
    for place in range(len(rows) + 1):
        first, *others = (lines_of(cells[name][place], widths[name]) or [""] for name in names)
        if others and width_of(first[0]) > widths[names[0]]:
            lines.append(first[0])
            first = [""]
        for parts in zip_longest(first, *others, fillvalue=""):
            shown = zip(names, parts, strict=True)
            line = [_aligned(part, widths[name], right=name in numbers) for name, part in shown]
            lines.append((" " * _GAP).join(line).rstrip())
    return lines, left_out


def _widths(
    names: Sequence[str], cells: Mapping[str, Sequence[str]], width: int | None, prose: Collection[str]
) -> dict[str, int]:
    """The width of each column; empty where they have no room."""
    widths = {name: max(map(width_of, cells[name])) for name in names}
    room = None if width is None else width - _GAP * (len(names) - 1)
    while room is not None and sum(widths.values()) > room:
        over = sum(widths.values()) - room
        shrinkable = [n for n in names if n in prose and widths[n] > _least(n, cells, prose)]
        if not shrinkable:
            hanging = widths[names[0]] - over
            fits = hanging >= min(_HANGING, room // 2)
            return {**widths, names[0]: hanging} if fits and names[0] not in prose else {}
        widest = max(shrinkable, key=widths.__getitem__)
        widths[widest] -= min(over, max(1, (widths[widest] - _least(widest, cells, prose)) // 2))
    return widths


def _least(name: str, cells: Mapping[str, Sequence[str]], prose: Collection[str]) -> int:
    """The narrowest that a column can be: of its longest word, readable, or of its longest cell."""
    natural = max(map(width_of, cells[name]))
    if name not in prose:
        return natural
    words = (width_of(word) for cell in cells[name] for word in cell.split())
    return max(*words, min(natural, _READABLE), 0)


def _is_number(value: Any) -> bool:
    return value == UNKNOWN or isinstance(value, int | float | None)


def _aligned(text: str, width: int, *, right: bool) -> str:
    blank = " " * (width - width_of(text))
    return blank + text if right else text + blank


def _print_tabbed(rows: Rows) -> None:
    write("\t".join(rows[0]))
    for row in rows:
        write("\t".join(_cell(value) for value in row.values()))


def _cell(value: Any) -> str:
    """One line without tabs, whatever the value holds."""
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return "" if value is None else one_line(" ".join(str(value).split()))


def _shown(value: Any, is_prose: bool) -> str:
    return translated(_cell(value)) if is_prose else _cell(value)


def _has_bold() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
