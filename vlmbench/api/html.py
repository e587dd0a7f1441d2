"""Small tables for notebooks. Every text is escaped: models and datasets write what they like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from vlmbench.plain_text import visible

LONGEST = 400
"""Most characters of a cell."""


def text(value: object) -> str:
    """The value as HTML that shows it and does nothing else."""
    return escape(visible("" if value is None else str(value), LONGEST))


def paragraph(words: object, *, bold: bool = False) -> str:
    """One paragraph."""
    return f"<p><b>{text(words)}</b></p>" if bold else f"<p>{text(words)}</p>"


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table with a header."""
    head = "".join(f"<th>{text(name)}</th>" for name in columns)
    body = "".join("<tr>" + "".join(f"<td>{text(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
