"""A training as it is watched, on stderr: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol

from .metrics import StepMetrics

if TYPE_CHECKING:
    from rich.progress import Progress


class Watch(Protocol):
    """Whoever looks on."""

    def begin(self, name: str, total: int, done: int) -> None:
        """So many optimizer steps, some of them done before."""

    def step(self, step: int) -> None:
        """One more is done."""

    def read(self, reading: StepMetrics) -> None:
        """How it stands."""

    def say(self, text: str) -> None:
        """One line."""

    def end(self) -> None:
        """No more steps."""


def watch(*, first: bool) -> Watch:
    """The right one for this process and this stderr."""
    if not first:
        return NoWatch()
    return TerminalWatch() if sys.stderr.isatty() else PlainWatch()


class NoWatch:
    """Of the processes that are not the first."""

    def begin(self, name: str, total: int, done: int) -> None:
        """Nothing."""

    def step(self, step: int) -> None:
        """Nothing."""

    def read(self, reading: StepMetrics) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


class PlainWatch:
    """A line at the start, then at most one every ten seconds, then the last."""

    every = 10.0

    def __init__(self) -> None:
        self._total = self._from = 0
        self._began = self._told = 0.0
        self._last: str | None = None

    def begin(self, name: str, total: int, done: int) -> None:
        """The first line."""
        self._total, self._from = total, done
        self._began = time.monotonic()
        self.say(f"training {name}: {total} steps" + (f", {done} of them done before" if done else ""))

    def step(self, step: int) -> None:
        """Told with the next reading."""

    def read(self, reading: StepMetrics) -> None:
        """A line when it is time."""
        left = time_left(reading.step, self._from, self._total, time.monotonic() - self._began)
        self._last = f"step {reading.step}/{self._total}: {figures(reading)}, {left} left"
        if time.monotonic() - self._told >= self.every:
            self._flush()

    def say(self, text: str) -> None:
        """One line."""
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def end(self) -> None:
        """The last reading, if it is not told yet."""
        self._flush()

    def _flush(self) -> None:
        if self._last is not None:
            self._told = time.monotonic()
            self.say(self._last)
            self._last = None


class TerminalWatch:
    """A rich progress bar."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._progress: Progress | None = None
        self._total = self._from = 0
        self._began = 0.0

    def begin(self, name: str, total: int, done: int) -> None:
        """Show the bar."""
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.text import Text

        self._total, self._from, self._began = total, done, time.monotonic()
        self._console.print(Text(f"training {name}", style="bold"))
        columns = (
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}", markup=False),
        )
        self._progress = Progress(*columns, console=self._console)
        self._progress.add_task("", total=total, completed=done, figures="")
        self._progress.start()

    def step(self, step: int) -> None:
        """Move it."""
        if self._progress is not None:
            self._progress.update(self._progress.task_ids[0], completed=step)

    def read(self, reading: StepMetrics) -> None:
        """New figures beside it."""
        if self._progress is not None:
            left = time_left(reading.step, self._from, self._total, time.monotonic() - self._began)
            text = f"{figures(reading)}, {left} left"
            self._progress.update(self._progress.task_ids[0], completed=reading.step, figures=text)

    def say(self, text: str) -> None:
        """A quiet line above the bar; what a model says is never markup."""
        self._console.print(text, style="dim", highlight=False, markup=False)

    def end(self) -> None:
        """Leave the bar where it is."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def figures(reading: StepMetrics) -> str:
    """Loss, rate, speed, memory."""
    rate = max(reading.learning_rate.values(), default=0.0)
    return (
        f"loss {reading.loss:.4f}, rate {rate:.2e}, {reading.tokens_per_second:,.0f} tokens/s, "
        f"{reading.memory / 2**30:.1f} GiB"
    )


def time_left(step: int, began: int, total: int, seconds: float) -> str:
    """As people read it: 45 s, 3:20, 2:05:00."""
    done = step - began
    whole = round(seconds / done * (total - step)) if done > 0 else 0
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"
