"""Progress on stderr: a bar with rate and time left on a terminal, plain lines in a pipe.

    with Progress("checking own.json", "pictures", total=200) as progress:
        progress.update(20, "1 broken")

Nothing is drawn before the first `begin` or `update`, so that work which turns out to be done shows nothing.
"""

from __future__ import annotations

import atexit
import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bar


class Progress:
    """How far one task is. In a pipe: a line at the start, one every ten seconds, and the last one."""

    every = 10.0
    """Seconds between two lines in a pipe."""

    def __init__(
        self, what: str = "", unit: str = "", *, total: float | None = None, quiet: bool = False
    ) -> None:
        """`unit` is a plural, such as rows; `total` may be unknown; a quiet one never writes."""
        self._what, self._unit, self._total, self._quiet = what, unit, total, quiet
        self._begun = self._ended = False
        self._before = self._done = 0.0
        self._started = self._printed = 0.0
        self._figures, self._pending = "", False
        self._console: Console | None = None
        self._bar: Bar | None = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console

            self._console = Console(stderr=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def say(self, text: str) -> None:
        """Print one line, above the bar if there is one. Markup in it is shown as it is."""
        if self._quiet:
            return
        if self._console is None:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
        else:
            self._console.print(text, style="dim", highlight=False, markup=False)

    def begin(self, total: float | None, done: float = 0, *, what: str | None = None) -> None:
        """Start the clock. `done` was done before: it counts towards the total, not into the rate."""
        self._what = self._what if what is None else what
        self._total, self._before, self._done = total, done, done
        self._started = self._printed = time.monotonic()
        self._begun, self._ended, self._figures = True, False, ""
        if self._console is not None:
            self._draw_bar(self._console)
        elif total:
            before = f", {_count(done)} of them done before" if done else ""
            self.say(f"{self._what}: {_count(total)} {self._unit}{before}")

    def update(self, done: float, figures: str = "", *, total: float | None = None) -> None:
        """So much is done by now; `figures` follow the rate, `total` replaces an earlier estimate."""
        if self._ended:
            return
        if not self._begun:
            self.begin(self._total if total is None else total)
        self._done, self._figures, self._pending = done, figures, True
        self._total = self._total if total is None else total
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=done, total=self._total, figures=self._text())
        elif self._console is None and time.monotonic() - self._printed >= self.every:
            self._print()

    def end(self) -> None:
        """Leave the bar where it is, or print the last line."""
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], figures=self._text(ended=True))
            self._bar.stop()
            self._bar = None
            atexit.unregister(self.end)
        elif self._console is None and self._pending:
            self._print(ended=True)
        self._ended, self._begun, self._pending = True, False, False

    def _draw_bar(self, console: Console) -> None:
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        what, figures = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[figures]}")
        figures.markup = False
        self._bar = Bar(what, BarColumn(bar_width=None), figures, console=console)
        self._bar.add_task(self._what, total=self._total, completed=int(self._done), figures=self._text())
        self._bar.start()
        atexit.register(self.end)  # a bar that is never stopped leaves the cursor hidden

    def _print(self, *, ended: bool = False) -> None:
        self._printed, self._pending = time.monotonic(), False
        self.say(f"{self._what}: {self._text(ended=ended)}")

    def _text(self, *, ended: bool = False) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = (self._done - self._before) / seconds
        of = f"/{_count(self._total)}" if self._total else ""
        parts = [f"{_count(self._done)}{of} {self._unit}"]
        if rate > 0:
            digits = f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"
            parts.append(f"{digits} {self._unit}/s")
        if ended:
            parts.append(f"in {clock(seconds)}")
        elif rate > 0 and self._total:
            parts.append(f"{clock((self._total - self._done) / rate)} left")
        return ", ".join([*parts, self._figures] if self._figures else parts)


def clock(seconds: float) -> str:
    """A duration as people read it: 45 s, 3:20, 2:05:00."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _count(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"
