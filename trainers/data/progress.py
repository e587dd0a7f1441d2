"""The progress of tokenising a file of records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from vlmbench.terminal.progress import Progress


@dataclass(frozen=True, slots=True)
class TokenisingPace:
    """How far tokenising is."""

    records: int
    tokens: int
    share: float
    """Of the file's bytes, from 0 to 1."""


class ShowPace(Protocol):
    """What `prepare` calls about once a chunk, and with `done` at the end."""

    def __call__(self, pace: TokenisingPace, *, done: bool = False) -> None:
        """Show how far tokenising is; `done` ends the line."""


def quiet(pace: TokenisingPace, *, done: bool = False) -> None:
    """A display that shows nothing."""


class StderrProgress:
    """Draws the pace on stderr."""

    def __init__(self, name: str) -> None:
        self._progress = Progress(f"tokenising {name}", "records")

    def __call__(self, pace: TokenisingPace, *, done: bool = False) -> None:
        """Draw it. How many records the file has is only known at its end: until then by the bytes read."""
        total = round(pace.records / pace.share) if pace.share > 0 else None
        self._progress.update(pace.records, f"{pace.tokens:,} tokens", total=total)
        if done:
            self._progress.end()
