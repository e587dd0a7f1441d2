"""What a value of a recipe may be, besides its type; written beside the field as `Annotated`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from vlmbench.errors import UnknownName, UserError


class Range(NamedTuple):
    """Numbers from `least` or above `above`, to `most` or below `below`; never infinite."""

    least: float | None = None
    above: float | None = None
    most: float | None = None
    below: float | None = None

    def check(self, value: Any, file: str | Path, key: str) -> None:
        """Refuse a number outside."""
        if not math.isfinite(value) or not all(self._held(value)):
            raise UserError(f"must be {self.said()}, not `{value}`.", file=file, key=key)

    def said(self) -> str:
        """In words."""
        if self == Range(least=1):
            return "1 or more"
        words = {"from": self.least, "above": self.above, "to": self.most, "below": self.below}
        told = " ".join(f"{word} {number:,}" for word, number in words.items() if number is not None)
        return f"a number {told}"

    def _held(self, value: float) -> Iterator[bool]:
        yield self.least is None or value >= self.least
        yield self.above is None or value > self.above
        yield self.most is None or value <= self.most
        yield self.below is None or value < self.below


class Named(NamedTuple):
    """One of the names that something answers to."""

    kind: str
    known: tuple[str, ...]

    def check(self, value: Any, file: str | Path, key: str) -> None:
        """Refuse an unknown name, and suggest the nearest."""
        if value not in self.known:
            raise UnknownName(self.kind, str(value), self.known, fix=f"({file}, `{key}`)")
