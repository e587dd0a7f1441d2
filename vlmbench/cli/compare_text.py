"""Comparisons on the terminal: a verdict, what it rests on, categories, and the questions that changed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDE = 100
"""From this width on there is room for intervals."""
_COLOURS = {"better": "green", "worse": "red", "cannot be told apart": "yellow"}


def print_comparisons(
    comparisons: Sequence[Any], refused: Sequence[Any], *, console: Console, flips: int
) -> None:
    """Two runs in full, more as a matrix a benchmark; several benchmarks begin with one table of all."""
    words = importlib.import_module("vlmbench.leaderboards.compare_words")
    names = words.letters(comparisons)
    page = _Page(console, words, names)
    for name, letter in names.items():
        page.line(f"{letter} {name}", "bold")
    benchmarks = dict.fromkeys(c.benchmark for c in comparisons)
    if len(benchmarks) > 1 and len(names) == 2:
        page.overview(comparisons)
    for benchmark in benchmarks:
        of_this = [c for c in comparisons if c.benchmark == benchmark]
        if len(names) > 2:
            page.matrix(of_this)
        else:
            page.details(of_this[0], flips if len(benchmarks) == 1 else 0)
    for refusal in refused:
        page.line(f"{refusal.benchmark} was not compared.", "yellow")


class _Page:
    """Lines and tables on one console."""

    def __init__(self, console: Console, words: Any, names: dict[str, str]) -> None:
        self.console, self.words, self.names = console, words, names

    def line(self, text: str, style: str = "", indent: int = 0) -> None:
        """A line of text, whatever a stranger wrote into it."""
        self.console.print(self.text(text, style, indent))

    def text(self, text: str, style: str = "", indent: int = 0) -> Text:
        """A text without markup, control characters, or what the terminal cannot write."""
        from rich.text import Text

        shown = " " * indent + visible(text, 2000)
        return Text(shown.encode(self.console.encoding, "replace").decode(self.console.encoding), style)

    def heading(self, text: str) -> None:
        """The same, bold, after an empty line."""
        self.console.print()
        self.line(text, "bold")

    def details(self, comparison: Any, flips: int) -> None:
        """One pair in full."""
        words = self.words
        self.heading(f"{comparison.benchmark}, {comparison.rules}, {words.size(comparison)}")
        for side in (comparison.first, comparison.second):
            self.line(f"{self.names[side.name]}: {words.score(comparison, side.value)}{self.headline(side)}")
        self.line(words.evidence(comparison))
        letters = [self.names[side.name] for side in (comparison.first, comparison.second)]
        self.line(words.verdict(comparison, *letters), f"bold {_COLOURS[comparison.verdict]}")
        if by_row := words.by_row(comparison):
            self.line(by_row)
        self.line(words.reach(comparison), "dim")
        for note in comparison.notes:
            self.line(note, "yellow")
        if comparison.categories:
            self.console.print()
            self.console.print(self.categories(comparison))
        self.heading(words.flipped(comparison))
        for title, changed in (("got worse", comparison.worse), ("got better", comparison.better)):
            self.flips(title, changed, flips, comparison)

    def headline(self, side: Any) -> str:
        """The figure that tables quote, where it is another one than the mean that was compared."""
        if side.headline is None or abs(side.headline - side.value) < 1e-9:
            return ""
        return f"  ({side.headline_name} {side.headline:.4g})"

    def overview(self, comparisons: Sequence[Any]) -> None:
        """One line a benchmark."""
        wide = ["95 %"] if self.console.width >= WIDE else []
        table = self._table("benchmark", "A", "B", "difference", *wide, "p (Holm)", "verdict")
        for c in comparisons:
            words = self.words
            scores = [words.score(c, side.value) for side in (c.first, c.second)]
            ends = [words.interval(c, c.difference) for _ in wide]
            change, p = words.change(c, c.difference.value), words.chance(c.adjusted_p)
            cells = (*scores, change, *ends, p, c.verdict)
            table.add_row(*map(self.text, (c.benchmark, *cells)), style=_COLOURS[c.verdict])
        self.console.print(table)

    def matrix(self, comparisons: Sequence[Any]) -> None:
        """Column less row, in points; a star where it can be told from chance after Holm."""
        names = [
            name for name in self.names if any(name in (c.first.name, c.second.name) for c in comparisons)
        ]
        found = {(c.first.name, c.second.name): c for c in comparisons}
        first = comparisons[0]
        self.heading(f"{first.benchmark}, {first.rules}, {self.words.size(first)}")
        table = self._table("", "score", *(self.names[name] for name in names))
        for row in names:
            cells = [self.cell(found, row, column) for column in names]
            score = next(
                self.words.score(c, side.value)
                for c in comparisons
                for side in (c.first, c.second)
                if side.name == row
            )
            table.add_row(self.names[row], score, *cells)
        self.console.print(table)
        self.line("column less row, in points; * can be told from chance, after Holm", "dim")
        for note in dict.fromkeys(note for c in comparisons for note in c.notes):
            self.line(note, "yellow")

    def cell(self, found: dict[tuple[str, str], Any], row: str, column: str) -> str:
        """One difference; each pair was compared one way round."""
        for pair, sign in (((row, column), 1), ((column, row), -1)):
            if c := found.get(pair):
                star = "*" if c.verdict != "cannot be told apart" else " "
                return f"{self.words.change(c, sign * c.difference.value)}{star}"
        return ""

    def categories(self, comparison: Any) -> Table:
        """Every category; Holm's p decides which are bold."""
        words = self.words
        wide = ["95 %"] if self.console.width >= WIDE else []
        table = self._table("category", "n", "A", "B", "difference", *wide, "p (Holm)")
        level = None
        for part in comparison.categories:
            if level not in (None, part.level):
                table.add_section()
            level = part.level
            told = part.adjusted_p is not None and part.adjusted_p < 0.05
            cells = (
                part.name,
                str(part.difference.n),
                words.score(comparison, part.first),
                words.score(comparison, part.second),
                words.change(comparison, part.difference.value),
                *[words.interval(comparison, part.difference) for _ in wide],
                words.chance(part.adjusted_p),
            )
            table.add_row(*map(self.text, cells), style="bold" if told else "")
        return table

    def flips(self, title: str, changed: Sequence[Any], most: int, comparison: Any) -> None:
        """What was said to the questions that changed, and where to look at their pictures."""
        if not changed or not most:
            return
        self.heading(title)
        for flip in changed[:most]:
            right = ", ".join(flip.references)
            self.line(f"{flip.row}: {visible(flip.question, 160)} [{right}]", indent=2)
            for side, answer in ((comparison.first, flip.first), (comparison.second, flip.second)):
                said = visible(answer.text, 120) or "(nothing)"
                self.line(f"{self.names[side.name]}: {said}", indent=6)
        if len(changed) > most:
            self.line(f"and {len(changed) - most} more (--flips N, --format json)", "dim", indent=2)
        self.line(f"look: vlmbench show {comparison.benchmark} --sample {changed[0].row}", "dim", indent=2)

    def _table(self, first: str, *numbers: str) -> Table:
        from rich import box
        from rich.table import Table

        unicode = self.console.encoding.lower().startswith("utf")
        table = Table(box=box.SIMPLE_HEAD if unicode else box.ASCII, show_edge=False, pad_edge=False)
        table.add_column(first, overflow="fold", min_width=8)
        for name in numbers:
            table.add_column(name, justify="right", no_wrap=True)
        return table
