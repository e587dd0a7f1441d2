"""Progress on stderr: a bar with rate and time left on a terminal or in a notebook, plain lines in a pipe.

    with Progress("checking own.json", "pictures", total=200) as progress:
        progress.update(20, "1 broken")

Nothing is drawn before the first `begin` or `update`, so that work which turns out to be done shows nothing.
"""

from __future__ import annotations

import atexit
import html
import sys
import time
import warnings
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Protocol, cast

from vlmbench.chinese import in_chinese, translated
from vlmbench.plain_text import printable
from vlmbench.terminal.screen import UserStderr, cover, is_live, is_silent, line_removed, print_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichBar


class Progress:
    """How far one task is. In a pipe: a line at the start, soon the first figures, and the last ones."""

    every = 10.0
    """Seconds between two lines in a pipe, but for the first ones."""
    soon = 1.0
    """Seconds to the first figures in a pipe; each later pause is twice as long, up to `every`."""

    def __init__(
        self,
        what: str = "",
        unit: str = "",
        *,
        total: float | None = None,
        quiet: bool = False,
        step_time: bool = False,
    ) -> None:
        """`unit` is a plural, such as rows; `total` may be unknown; a quiet one never writes.

        With `step_time` it shows the seconds that a step takes rather than how many a second has.
        """
        self._what, self._unit = translated(what), translated(unit)
        self._total, self._step_time = total, step_time
        self._quiet = quiet or is_silent()
        self._begun = self._ended = False
        self._before = self._done = 0.0
        self._started = self._printed = 0.0
        self._pause = self.soon
        self._figures, self._updated = "", False
        self._bar = _bar_of_stderr(quiet=self._quiet)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def say(self, text: str) -> None:
        """Print one line, above the bar if there is one. Markup and controls in it are shown."""
        self._write(translated(text))

    def _write(self, text: str) -> None:
        if self._quiet:
            return
        if self._bar is None:
            print_line(text)
        else:
            self._bar.say(printable(text))

    def begin(self, total: float | None, done: float = 0, *, what: str | None = None) -> None:
        """Start the clock. `done` was done before: it counts towards the total, not into the rate."""
        self._what = self._what if what is None else translated(what)
        self._total, self._before, self._done = total, done, done
        self._started = self._printed = time.monotonic()
        self._pause = self.soon
        self._begun, self._ended, self._figures, self._updated = True, False, "", False
        if self._bar is not None:
            self._draw(self._bar)
        elif total:
            before = translated(f", {_count(done)} of them done before") if done else ""
            self._write(f"{self._what}{_colon()}{_count(total)} {self._unit}{before}")

    def start_clock(self) -> None:
        """What took time since `begin` was preparation, and does not count into the rate."""
        self._started = self._printed = time.monotonic()

    def update(
        self, done: float, figures: str = "", *, total: float | None = None, at_once: bool = False
    ) -> None:
        """So much is done by now; `figures` follow the rate, `total` replaces an earlier estimate.

        In a pipe an update is printed when it is time, or `at_once`.
        """
        if self._ended:
            return
        if not self._begun:
            self.begin(self._total if total is None else total)
        self._done, self._figures, self._updated = done, figures, True
        self._total = self._total if total is None else total
        if self._bar is not None:
            self._draw(self._bar)
        elif at_once or time.monotonic() - self._printed >= self._pause:
            self._pause = min(2 * self._pause, self.every)
            self._print()

    def end(self) -> None:
        """Leave the bar where it is, or print the last line."""
        if self._bar is not None and self._begun:
            self._draw(self._bar, ended=True)
            self._bar.leave()
        elif self._bar is None and self._updated:
            self._print(ended=True)
        self._ended, self._begun, self._updated = True, False, False

    def _draw(self, bar: _Bar, *, ended: bool = False) -> None:
        bar.draw(self._what, self._text(ended=ended), self._done, self._total, ended=ended)

    def _print(self, *, ended: bool = False) -> None:
        self._printed = time.monotonic()
        self._write(f"{self._what}{_colon()}{self._text(ended=ended)}")

    def _text(self, *, ended: bool = False) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        rate = (self._done - self._before) / seconds
        of = f"/{_count(self._total)}" if self._total else ""
        parts = [f"{_count(self._done)}{of} {self._unit}"]
        if rate > 0 and self._step_time:
            parts.append(translated(f"{_seconds(1 / rate)} s a step"))
        elif rate > 0:
            digits = f"{rate:,.0f}" if rate >= 100 else f"{rate:.1f}" if rate >= 1 else f"{rate:.2g}"
            parts.append(f"{digits} {self._unit}/s")
        if ended:
            parts.append(translated(f"in {clock(seconds)}"))
        elif rate > 0 and self._total:
            parts.append(translated(f"{clock((self._total - self._done) / rate)} left"))
        return _comma().join([*parts, translated(self._figures)] if self._figures else parts)


def _colon() -> str:
    return "：" if in_chinese() else ": "


def _comma() -> str:
    return "，" if in_chinese() else ", "


class _Bar(Protocol):
    """Where a bar can be drawn over again; a pipe has none."""

    def say(self, text: str) -> None: ...

    def draw(self, what: str, text: str, done: float, total: float | None, *, ended: bool) -> None: ...

    def leave(self) -> None: ...


class TerminalBar:
    """A bar of rich's under the lines that are printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: RichBar | None = None

    def say(self, text: str) -> None:
        """Print above the bar."""
        with line_removed():
            self._console.print(text, style="dim", soft_wrap=True)

    def draw(self, what: str, text: str, done: float, total: float | None, *, ended: bool) -> None:
        """Start it, or move it: rich draws ten times a second."""
        if self._bar is None:
            self._bar = self._start(what, text, done, total)
        self._bar.update(self._bar.task_ids[0], description=what, completed=done, total=total, figures=text)

    def leave(self) -> None:
        """Stop drawing: what is printed from now on follows the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            cover(False)
            atexit.unregister(self.leave)

    def _start(self, what: str, text: str, done: float, total: float | None) -> RichBar:
        from rich.cells import cell_len
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichBar
        from rich.table import Column

        # Where all is too long for the terminal, the last figures are cut off and not the name.
        whole = Column(no_wrap=True, min_width=min(cell_len(what), self._console.width // 2))
        name = TextColumn("{task.description}", markup=False, table_column=whole)
        figures = TextColumn("{task.fields[figures]}", markup=False)
        bar = RichBar(
            name,
            BarColumn(bar_width=None),
            figures,
            console=self._console,
            # What other packages print goes where it goes, and is not drawn above the bar.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        bar.add_task(what, total=total, completed=int(done), figures=text)
        cover(True)
        bar.start()
        atexit.register(self.leave)  # a bar that is never stopped leaves the cursor hidden
        return bar


class NotebookBar:
    """One output of the cell that is replaced in place, so that a saved notebook keeps its last state.

    It is HTML that Jupyter, VS Code and nbconvert show by themselves: rich's own needs ipywidgets, whose
    output a notebook that is opened later cannot show.
    """

    every = 0.2
    """Seconds between two drawings: each is a message from the kernel to the page."""

    def __init__(self) -> None:
        self._output: Any = None
        self._drawn = 0.0

    def say(self, text: str) -> None:
        """Print on the cell's stderr."""
        print_line(text)

    def draw(self, what: str, text: str, done: float, total: float | None, *, ended: bool) -> None:
        """Put it in place of the last one, unless that is too new."""
        from IPython.display import display

        now = time.monotonic()
        if self._output is not None and not ended and now - self._drawn < self.every:
            return
        self._drawn = now
        # An unknown total has no length until the end.
        share = done / total if total else 1.0 if ended else None
        bundle = {"text/plain": f"{what}{_colon()}{text}", "text/html": _html_bar(what, text, share)}
        if self._output is None:
            self._output = display(bundle, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._output.update(bundle, raw=True)

    def leave(self) -> None:
        """The next one is another output."""
        self._output = None


def _bar_of_stderr(*, quiet: bool) -> _Bar | None:
    """What can draw where stderr goes; None in a pipe, and for a quiet one."""
    # Where stderr is redirected, in a notebook too, it is no longer the kernel's stream.
    kernel = sys.modules.get("ipykernel.iostream")
    if kernel is not None and isinstance(sys.stderr, kernel.OutStream):
        # tqdm, which other packages import, warns that it lacks ipywidgets; nothing here needs them.
        warnings.filterwarnings("ignore", message="IProgress not found")
        return None if quiet else NotebookBar()
    if quiet or not is_live():
        return None
    from vlmbench.terminal.console import PlainConsole

    return TerminalBar(PlainConsole(file=cast("IO[str]", UserStderr())))


def _html_bar(what: str, text: str, share: float | None) -> str:
    value = "" if share is None else f' value="{min(max(share, 0.0), 1.0):.4f}"'
    return (
        '<div style="display:flex;flex-wrap:wrap;align-items:center;gap:0 1em">'
        f"<span>{html.escape(what)}</span>"
        f'<progress style="width:16em" aria-label="{html.escape(what)}"{value}></progress>'
        f'<span style="font-variant-numeric:tabular-nums">{html.escape(text)}</span></div>'
    )


def clock(seconds: float) -> str:
    """A duration as people read it: 45 s, 3:20, 2:05:00."""
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 10 else f"{seconds:.2f}"


def _count(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:,.1f}"
