"""Progress on stderr: one line that moves on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Pace:
    """How far the preparation is."""

    records: int
    tokens: int
    share: float
    """Of the file, from 0 to 1."""


class Progress(Protocol):
    """Whoever wants to know how far it is."""

    def __call__(self, pace: Pace, *, done: bool = False) -> None:
        """Called about once a chunk, and at the end."""


def quiet(pace: Pace, *, done: bool = False) -> None:
    """Nobody wants to know."""


class StderrProgress:
    """Rate and time left, for people."""

    every = 10.0

    def __init__(self, name: str) -> None:
        self._name = name
        self._live = sys.stderr.isatty()
        self._started = self._told = time.monotonic()

    def __call__(self, pace: Pace, *, done: bool = False) -> None:
        """Say it when it is time."""
        now = time.monotonic()
        if not done and now - self._told < (0.2 if self._live else self.every):
            return
        self._told = now
        line = self._line(pace, now - self._started, done)
        end = "\n" if done or not self._live else ""
        sys.stderr.write(f"\r{line}\033[K{end}" if self._live else line + end)
        sys.stderr.flush()

    def _line(self, pace: Pace, seconds: float, done: bool) -> str:
        rate = pace.records / max(seconds, 1e-9)
        left = seconds / pace.share - seconds if pace.share > 0 else 0.0
        ends = f"{seconds:.0f} s" if done else f"{left:.0f} s left"
        return (
            f"tokenising {self._name}: {pace.records:,} records, {pace.tokens:,} tokens, "
            f"{rate:,.0f} records/s, {ends}"
        )
