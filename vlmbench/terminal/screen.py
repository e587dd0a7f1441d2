"""The user's screen, which is stderr: lines, and what is being done before anything can be counted.

    with doing("loading demo"):
        with doing("loading demo on cpu, float32"):
            ...

On a terminal that is one line, which the next one replaces and the end removes; in a pipe, a line each.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TextIO

from vlmbench.chinese import translated
from vlmbench.errors import within_screen
from vlmbench.plain_text import printable

_silent: ContextVar[bool] = ContextVar("silent", default=False)
_libraries: ContextVar[bool] = ContextVar("libraries", default=False)
_under_way: list[str] = []
"""What is being done, the outermost first; the last one is shown."""
_kept: list[TextIO] = []
"""The user's stderr, while `sys.stderr` leads into a log."""
_covered = False
"""Whether a bar is drawn where the line would be."""


@contextlib.contextmanager
def silence(wanted: bool = True) -> Iterator[None]:
    """Nothing within writes a line or a bar, however deep in a call; with False nothing changes."""
    before = _silent.set(wanted or is_silent())
    try:
        yield
    finally:
        _silent.reset(before)


def is_silent() -> bool:
    """Whether this is within `silence`."""
    return _silent.get()


@contextlib.contextmanager
def libraries_shown(wanted: bool = True) -> Iterator[None]:
    """Within, what other packages print is on the screen too, and not in a log."""
    before = _libraries.set(wanted)
    try:
        yield
    finally:
        _libraries.reset(before)


def are_libraries_shown() -> bool:
    """Whether this is within `libraries_shown`."""
    return _libraries.get()


def stream() -> TextIO:
    """The user's stderr."""
    return _kept[-1] if _kept else sys.stderr


def is_live() -> bool:
    """Whether a line can be drawn over again: on a terminal, but not in the log of a CI."""
    return stream().isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


@contextlib.contextmanager
def kept(screen: TextIO) -> Iterator[None]:
    """Within, `stream` gives this one."""
    _kept.append(screen)
    try:
        yield
    finally:
        _kept.remove(screen)


class UserStderr(io.TextIOBase):
    """The user's stderr as a file, also for who keeps it while `sys.stderr` leads into a log."""

    def write(self, text: str, /) -> int:
        """Write to what the user's stderr is now."""
        return stream().write(text)

    def flush(self) -> None:
        """As of any file."""
        stream().flush()

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return stream().isatty()

    def fileno(self) -> int:
        """Its number, by which the width of a terminal is found."""
        return stream().fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the user's stderr."""
        return stream().encoding or "utf-8"


@contextlib.contextmanager
def doing(what: str) -> Iterator[None]:
    """Show what is being done until it is done."""
    if is_silent():
        yield
        return
    _under_way.append(within_screen(translated(what)))
    if is_live():
        _draw()
    else:
        print_line(f"{_under_way[-1]}…")
    try:
        yield
    finally:
        with line_removed():
            _under_way.pop()


def note(text: str) -> None:
    """One line for the eyes of who waits; nothing inside `silence`."""
    if not is_silent():
        print_line(translated(text))


def print_line(text: str) -> None:
    """A line, above the one that says what is being done."""
    with line_removed():
        stream().write(f"{printable(text)}\n")
        stream().flush()


@contextlib.contextmanager
def line_removed() -> Iterator[None]:
    """Within, the screen has no line that is drawn over again."""
    if _under_way and is_live() and not _covered:
        stream().write("\r\x1b[2K")
        stream().flush()
    try:
        yield
    finally:
        _draw()


def cover(wanted: bool) -> None:
    """A bar takes the place of the line, or gives it back."""
    global _covered
    with line_removed():
        _covered = wanted


def _draw() -> None:
    if _under_way and is_live() and not _covered:
        # A line that is wrapped could not be removed; the terminal cuts it off instead.
        stream().write(f"\r\x1b[2K\x1b[?7l\x1b[2m{printable(_under_way[-1])}…\x1b[0m\x1b[?7h")
        stream().flush()
