"""A console that prints what is ours in Chinese: lines, the headers and the titles of tables."""

from __future__ import annotations

from typing import Any

from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from vlmbench.chinese import translated
from vlmbench.terminal.console import PlainConsole


class ChineseConsole(PlainConsole):
    """Cells of tables, and single words, stay as they are: a file may be called like a word of ours."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print strings, texts and tables in Chinese."""
        super().print(*map(_in_chinese, objects), **options)


def _in_chinese(shown: Any) -> Any:
    if isinstance(shown, str):
        return translated(shown) if " " in shown else shown
    if isinstance(shown, Text):
        return _text(shown)
    if isinstance(shown, Table):
        for column in shown.columns:
            column.header = translated(column.header) if isinstance(column.header, str) else column.header
    if isinstance(shown, Table | Panel) and isinstance(shown.title, str):
        shown.title = translated(shown.title)
    return shown


def _text(shown: Text) -> Text:
    """A text of several styles stays as it is: whoever assembles it translates its parts."""
    chinese = translated(shown.plain) if " " in shown.plain else shown.plain
    return shown if shown.spans or chinese == shown.plain else Text(chinese, shown.style)
