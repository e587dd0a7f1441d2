"""Any text in a cell of an xlsx file, and back.

The file format is XML 1.0, in which most control characters cannot be written at all. It writes them
as `_xHHHH_`, so a text that happens to read `_x0041_` must be told from an escaped `A`. The usual way
(`_x005F_x0041_`) is undone by Excel but not by openpyxl and pandas. Here such a text is stored in two
runs, cut after its first underscore: no run holds an escape, so Excel, which undoes escapes run by run,
and readers that undo none both give the text as it was.

What reads back as what:

    text                                    Excel, read_sheet    openpyxl, pandas
    tabs, line ends (LF, CR LF, CR)         the same             the same
    `=1+1`, `007`, `_x0041_`, ` padded `    the same             the same (pandas: with dtype=str)
    U+0000 and the other characters that
    XML forbids, half surrogate pairs       the same             as `_x0000_`
    the empty text                          empty                empty (pandas: NaN)
"""

from __future__ import annotations

import re
from xml.sax.saxutils import escape

MOST_CHARACTERS = 32_767
"""What a cell holds, counted as Excel counts: characters outside the basic plane are two."""

_FORBIDDEN = re.compile("([\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]+)")
_INSIDE_ESCAPE_LIKE = re.compile("(?<=_)(?=x[0-9A-Fa-f]{4}_)")
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_ENTITIES = {"\r": "&#13;"}  # a bare CR would be read as LF
_OPENERS = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


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
