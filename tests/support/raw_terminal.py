"""A terminal in memory that keeps every character it is sent, and texts that would steer a real one."""

from __future__ import annotations

import io
import re

import pytest

SEQUENCES = {
    "clear": "\x1b[2J",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\",
    "hidden": "\x1b[8m",
    "csi of one byte": "\x9b2J",
    "turned": "\u202egnp\u2066a\u2069\u200f\u061c",
    "backspace": "a\x08b\x7f",
    "bell": "\x07",
    "return": "good\rbad",
    "nul": "n\x00l",
    "half": "\udc9b",
    "markup": "[link=http://evil]x[/link][/red]:100:",
}
HOSTILE = "".join(SEQUENCES.values())
FILED = HOSTILE.replace("\x00", "").replace("/", "|")
"""As a file may be named."""
WRITTEN = HOSTILE.replace("\udc9b", "").replace("\x00", "").replace("\r", "")
"""As a TSV cell or any UTF-8 text may hold it."""

_OURS = re.compile(r"\x1b\[(?:\d+(?:;\d+)*)?m|\r\x1b\[2K|\x1b\[\?7[lh]|\x1b\[\?25[lh]|\r?\x1b\[1A\x1b\[2K")
"""Colours, the line that is drawn over, and the cursor of a bar."""
_STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class RawTerminal(io.TextIOWrapper):
    """Stdout or stderr of a command."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", errors="surrogateescape", newline="")

    def isatty(self) -> bool:
        """It is one."""
        return True

    def fileno(self) -> int:
        """It has no number: what is diverted by number stays what it is."""
        raise io.UnsupportedOperation("fileno")

    def raw(self) -> str:
        """All that came."""
        self.flush()
        assert isinstance(self.buffer, io.BytesIO)
        return self.buffer.getvalue().decode("utf-8", "surrogateescape")


def raw_terminal(monkeypatch: pytest.MonkeyPatch) -> RawTerminal:
    """Both streams of what the test calls from here on, on a terminal with colours."""
    made = RawTerminal()
    for name in ("CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stdout", made)
    monkeypatch.setattr("sys.stderr", made)
    return made


def steering(raw: str) -> list[str]:
    """What in it would steer a terminal and is not ours."""
    strange = [found for found in ("\x1b[8m", "\x1b]", "Traceback") if found in raw]
    rest = _OURS.sub("", raw)
    return strange + [rest[max(at.start() - 30, 0) : at.end() + 10] for at in _STEERING.finditer(rest)]
