"""How a run tells that it is moving. The engine speaks to this; the command line draws it."""

from __future__ import annotations

from typing import Protocol

from vlmbench.domain import Response


class Watch(Protocol):
    """Someone looking on."""

    def say(self, text: str) -> None:
        """A passing remark: what is being loaded, what was found."""

    def begin(self, total: int, done: int) -> None:
        """Answering starts: so many questions, so many of them answered in an earlier sitting."""

    def advance(self, response: Response) -> None:
        """One more answer."""

    def end(self) -> None:
        """Answering is over, for whatever reason."""


class Unwatched:
    """Nobody is looking."""

    def say(self, text: str) -> None:
        """Ignore."""

    def begin(self, total: int, done: int) -> None:
        """Ignore."""

    def advance(self, response: Response) -> None:
        """Ignore."""

    def end(self) -> None:
        """Ignore."""
