"""A console of rich's on which text is only text: it cannot steer the terminal, link, or be markup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from vlmbench.plain_text import printable
from vlmbench.terminal.output import arriving


class PlainConsole(Console):
    """Whatever is printed, a string, a table or a bar, is cleaned where rich turns it into cells."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False, **options})

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich's; a full disk under it is a UserError."""
        with arriving():
            super().print(*objects, **options)

    def on_broken_pipe(self) -> None:
        """Leave it to the command line, where rich would end the process with exit code 1."""
        raise BrokenPipeError

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The cells, before rich cuts them to the width."""
        return map(_cleaned, super().render(renderable, options))


def _cleaned(cells: Segment) -> Segment:
    """What rich itself says to the terminal stays, such as where the cursor goes."""
    if cells.control:
        return cells
    text, style = printable(cells.text), cells.style
    if style is not None and style.link:
        style = style.update_link(None)
    return cells if text == cells.text and style is cells.style else Segment(text, style)
