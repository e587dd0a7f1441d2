"""Where a chat is shown: answers on stdout, everything about them on stderr."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from vlmbench.chat.printable import json_line, printable
from vlmbench.chat.transcript import ENDINGS, exchange_record
from vlmbench.cli.main import complain
from vlmbench.errors import UserError

if TYPE_CHECKING:
    from vlmbench.chat import Exchange, Picture, Said

INTERRUPTED = 130
_COLUMNS, _ROWS = 40, 14
"""Of a preview, at most."""


class Screen:
    """A terminal, a pipe, or lines of JSON."""

    def __init__(self, *, as_json: bool) -> None:
        from rich.console import Console

        self._as_json = as_json
        self._notes = Console(stderr=True, highlight=False, soft_wrap=True)
        self._answers = Console(highlight=False)
        self._shown = ""

    def note(self, text: str) -> None:
        """One quiet line beside the conversation."""
        self._notes.print(printable(text), style="dim", markup=False)

    def complain(self, error: UserError) -> None:
        """What went wrong with this turn."""
        complain(printable(str(error)))

    def show_picture(self, picture: Picture) -> None:
        """Its name and size; and the picture itself, small, where the terminal can."""
        if self._has_colours():
            from vlmbench.chat.preview import preview

            columns = min(_COLUMNS, self._answers.width)
            self._answers.print(preview(picture.data, columns=columns, rows=_ROWS), end="")
        width, height = picture.size
        self.note(f"{picture.name}, {width} × {height}")

    def _has_colours(self) -> bool:
        if self._as_json or os.environ.get("NO_COLOR"):
            return False
        return self._answers.is_terminal and self._answers.color_system in ("truecolor", "256")

    def say(self, said: Said) -> None:
        """The answer so far; what is new of it is written."""
        if self._as_json:
            return
        text = printable(said.text.strip())
        self._write(text[len(self._shown) :])
        self._shown = text

    def end(self, exchange: Exchange | None, turn: int) -> None:
        """The answer is over; None where nothing came of it."""
        if self._as_json and exchange is not None:
            self.record({"turn": turn} | exchange_record(exchange))
        elif not self._as_json and (exchange is not None or self._shown):
            self._write("\n")
        self._shown = ""
        if exchange is None:
            self.note("stopped before the first word; the question is not kept")
        elif exchange.ending in ENDINGS:
            self.note(ENDINGS[exchange.ending])
        elif not (exchange.answer or "").strip():
            self.note("the model said nothing")

    def fail(self, question: str, error: UserError, turn: int) -> None:
        """A question that was not answered."""
        if self._shown:
            self._write("\n")
            self._shown = ""
        if self._as_json:
            record = {"turn": turn, "question": question, "pictures": [], "answer": None, "finish": "error"}
            self.record(record | {"error": str(error), "tokens": 0, "seconds": 0.0})
        self.complain(error)

    def record(self, document: dict[str, object]) -> None:
        """One line of JSON."""
        sys.stdout.write(json_line(document, sys.stdout.encoding or "utf-8") + "\n")
        sys.stdout.flush()

    def _write(self, text: str) -> None:
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.flush()
