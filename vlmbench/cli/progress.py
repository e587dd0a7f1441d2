"""A run as it is watched: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from vlmbench.domain import Response
from vlmbench.engine.watch import Watch

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


def watch() -> Watch:
    """The right way to show progress on this stderr."""
    return TerminalWatch() if sys.stderr.isatty() else PlainWatch()


class PlainWatch:
    """A line at the start, then at most one every ten seconds, then one at the end."""

    every = 10.0

    def __init__(self) -> None:
        self._total = self._done = self._errors = self._new = 0
        self._started = self._told = 0.0

    def say(self, text: str) -> None:
        """One line."""
        print(text, file=sys.stderr, flush=True)

    def begin(self, total: int, done: int) -> None:
        """The first line."""
        self._total, self._done, self._errors, self._new = total, done, 0, 0
        self._started = self._told = time.monotonic()
        self.say(f"answering {total} questions" + (f", {done} of them answered before" if done else ""))

    def advance(self, response: Response) -> None:
        """A line when ten seconds have passed."""
        self._done += 1
        self._new += 1
        self._errors += response.finish == "error"
        if time.monotonic() - self._told >= self.every:
            self._told = time.monotonic()
            self.say(self._line())

    def end(self) -> None:
        """The last line."""
        self.say(self._line())

    def _line(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = self._new / seconds
        left = (self._total - self._done) / rate if rate > 0 else 0.0
        errors = f", {self._errors} errors" if self._errors else ""
        return f"{self._done}/{self._total} answered, {rate:.1f} rows/s, {clock(left)} left{errors}"


class TerminalWatch:
    """A rich progress bar on stderr."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._task: TaskID | None = None
        self._errors = self._new = 0
        self._started = 0.0

    def say(self, text: str) -> None:
        """One quiet line above the bar."""
        self._console.print(text, style="dim", highlight=False, markup=False)

    def begin(self, total: int, done: int) -> None:
        """Show the bar; what was answered before counts as done but not into the rate."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("answering"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}"),
            console=self._console,
        )
        self._started, self._errors, self._new = time.monotonic(), 0, 0
        self._task = self._progress.add_task("", total=total, completed=done, pace="")
        self._progress.start()

    def advance(self, response: Response) -> None:
        """Move the bar."""
        if self._progress is None or self._task is None:
            return
        self._new += 1
        self._errors += response.finish == "error"
        task = self._progress.tasks[0]
        rate = self._new / max(time.monotonic() - self._started, 1e-9)
        left = ((task.total or 0) - task.completed) / rate
        errors = f" [red]{self._errors} errors[/red]" if self._errors else ""
        self._progress.update(self._task, advance=1, pace=f"{rate:.1f} rows/s, {clock(left)} left{errors}")

    def end(self) -> None:
        """Leave the finished bar on the screen."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def clock(seconds: float) -> str:
    """A duration as people read it: 45 s, 3:20, 2:05:00."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
