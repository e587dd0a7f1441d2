"""The progress of answering a benchmark, as the engine reports it."""

from __future__ import annotations

from vlmbench.domain import Response
from vlmbench.progress import Progress


class AnswerProgress:
    """Draws what the engine reports as `RunProgress`: rows answered, and how many of them are errors."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._progress = Progress("answering", "rows", quiet=quiet)
        self._done = self._errors = 0

    def say(self, text: str) -> None:
        """Print one line."""
        self._progress.say(text)

    def begin(self, total: int, done: int) -> None:
        """Show the total; rows answered by an earlier command count as done."""
        self._done, self._errors = done, 0
        self._progress.begin(total, done)

    def advance(self, response: Response) -> None:
        """Count one more answer."""
        self._done += 1
        self._errors += response.finish == "error"
        self._progress.update(self._done, f"{self._errors} errors" if self._errors else "")

    def end(self) -> None:
        """Print the last line."""
        self._progress.end()
