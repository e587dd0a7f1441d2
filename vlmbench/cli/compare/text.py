"""Comparisons on the terminal: a verdict, what it rests on, categories, and the questions that changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from vlmbench.chinese import translated
from vlmbench.leaderboards.compare import text as words
from vlmbench.leaderboards.compare.nouns import Comparison, Flip, Refusal
from vlmbench.leaderboards.compare.text import matrix_of
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

WIDE, CLUSTERS, MEDIUM = 100, 88, 78
"""From these widths on there is room for a verdict's interval, a category's clusters, its interval."""
MATRIX_MARGIN, MATRIX_CELL = 18, 17
NAME = 60
"""Of a category or a benchmark in a table."""
_COLOURS = {"better": "green", "worse": "red", "cannot be told apart": "yellow"}


def print_comparisons(
    comparisons: Sequence[Comparison], refused: Sequence[Refusal], *, console: Console, flips: int
) -> None:
    """Every run against the first in full, more than two as a matrix; several benchmarks as a table."""
    names = words.letters(comparisons)
    page = ComparisonPrinter(console, names)
    for name, letter in names.items():
        page.line(f"{letter} {name}", "bold")
    benchmarks = dict.fromkeys(c.benchmark for c in comparisons)
    if len(benchmarks) > 1 and len(names) == 2:
        page.overview(comparisons)
    for benchmark in benchmarks:
        of_this = [c for c in comparisons if c.benchmark == benchmark]
        if len(names) > 2:
            page.matrix(of_this)
        several = len(benchmarks) > 1 or len(names) > 2
        for comparison in of_this:
            if comparison.first.name == comparisons[0].first.name:
                page.details(comparison, 0 if several else flips)
    if note := words.adjustment(comparisons):
        page.console.print()
        page.line(note, "dim")
    for refusal in refused:
        page.line(f"{visible(refusal.benchmark, NAME)} was not compared.", "yellow")


class ComparisonPrinter:
    """Prints comparisons on one console."""

    def __init__(self, console: Console, names: dict[str, str]) -> None:
        self.console, self.names = console, names

    def line(self, text: str, style: str = "", indent: int = 0) -> None:
        """Print a line; control characters in it are escaped."""
        self.console.print(self.text(text, style, indent))

    def quote(self, text: str, indent: int) -> None:
        """Print a line of somebody else's words, which are never translated."""
        from rich.console import Group

        self.console.print(Group(self.text(text, indent=indent)))

    def text(self, text: str, style: str = "", indent: int = 0) -> Text:
        """A text without markup, control characters, or what the terminal cannot write."""
        from rich.text import Text

        shown = " " * indent + visible(text, 2000)
        return Text(shown.encode(self.console.encoding, "replace").decode(self.console.encoding), style)

    def heading(self, text: str) -> None:
        """The same, bold, after an empty line."""
        self.console.print()
        self.line(text, "bold")

    def details(self, comparison: Comparison, flips: int) -> None:
        """One pair in full."""
        sides = (comparison.first, comparison.second)
        letters = [self.names[side.name] for side in sides]
        which = f", {letters[1]} against {letters[0]}" if len(self.names) > 2 else ""
        name = visible(comparison.benchmark, NAME)
        self.heading(f"{name}{which}, {comparison.rules}, {words.size(comparison)}")
        for letter, side in zip(letters, sides, strict=True):
            quoted = words.headline(side)
            self.line(
                f"{letter}: {words.score(comparison.fraction, side.value)}{f' ({quoted})' if quoted else ''}"
            )
        self.line(words.evidence(comparison))
        self.line(words.verdict(comparison, *letters), f"bold {_COLOURS[comparison.verdict]}")
        if by_row := words.by_row(comparison):
            self.line(by_row)
        self.line(words.reach(comparison), "dim")
        for note in comparison.notes:
            self.line(note, "yellow")
        if comparison.categories:
            self.console.print()
            self.console.print(self.categories(comparison))
            self.line(words.OF_CATEGORIES, "dim")
        self.heading(words.flipped(comparison))
        for title, changed in (("got worse", comparison.worse), ("got better", comparison.better)):
            self.flips(title, changed, flips, comparison)
        self.where(comparison)

    def overview(self, comparisons: Sequence[Comparison]) -> None:
        """One line a benchmark."""
        wide = ["95 %"] if self.console.width >= WIDE else []
        table = self._table("benchmark", "A", "B", "difference", *wide, "p (Holm)", "verdict")
        for c in comparisons:
            scores = [words.score(c.fraction, side.value) for side in (c.first, c.second)]
            ends = [words.interval(c.fraction, c.difference) for _ in wide]
            change, p = words.change(c.fraction, c.difference.value), words.chance(c.adjusted_p)
            cells = (*scores, change, *ends, p, translated(c.verdict))
            name = visible(c.benchmark, NAME)
            table.add_row(*map(self.text, (name, *cells)), style=_COLOURS[c.verdict])
        self.console.print(table)

    def matrix(self, comparisons: Sequence[Comparison]) -> None:
        """Each against each, in points; a star where it is significant after Holm."""
        matrix = matrix_of(comparisons)
        first = comparisons[0]
        self.heading(f"{visible(first.benchmark, NAME)}, {first.rules}, {words.size(first)}")
        table = self._table("", "score", *(self.names[name] for name in matrix.scores))
        whole = MATRIX_MARGIN + MATRIX_CELL * len(matrix.scores) <= self.console.width
        for row, score in matrix.scores.items():
            found = [matrix.cells.get((row, column)) for column in matrix.scores]
            cells = [[cell.change, *[cell.interval] * whole] if cell else [] for cell in found]
            texts = [self.text(line) for line in (self.names[row], score)]
            table.add_row(*texts, *(self._lines(cell) for cell in cells))
        self.console.print(table)
        where = "" if whole else "; no room for intervals here"
        self.line(f"column less row, in points; * is significant after Holm{where}", "dim")

    def categories(self, comparison: Comparison) -> Table:
        """Every category; Holm's p decides which are bold."""
        parts = comparison.categories
        letters = [self.names[side.name] for side in (comparison.first, comparison.second)]
        wide = ["95 %"] if self.console.width >= MEDIUM else []
        counted = self.console.width >= CLUSTERS and any(part.difference.n != part.units for part in parts)
        clustered = ["clusters"] if counted else []
        columns = (f"{comparison.unit}s", *clustered, *letters, "change", *wide, "p (Holm)")
        table = self._table("category", *columns)
        level = None
        for part in parts:
            if level not in (None, part.level):
                table.add_section()
            level = part.level
            significant = part.adjusted_p is not None and part.adjusted_p < 0.05
            cells = (
                visible(part.name, NAME),
                str(part.units),
                *[str(part.difference.n) for _ in clustered],
                words.score(comparison.unit_fraction, part.first),
                words.score(comparison.unit_fraction, part.second),
                words.change(comparison.unit_fraction, part.difference.value),
                *[words.interval(comparison.unit_fraction, part.difference) for _ in wide],
                words.chance(part.adjusted_p),
            )
            table.add_row(*map(self.text, cells), style="bold" if significant else "")
        return table

    def flips(self, title: str, changed: Sequence[Flip], most: int, comparison: Comparison) -> None:
        """Print both answers to each of the questions that changed."""
        if not changed or not most:
            return
        self.heading(title)
        for flip in changed[:most]:
            right = ", ".join(flip.references)
            self.quote(f"{flip.row}: {visible(flip.question, 160)} [{right}]", indent=2)
            for side, answer in ((comparison.first, flip.first), (comparison.second, flip.second)):
                shown = visible(answer.text, 120) or translated("(nothing)")
                self.quote(f"{self.names[side.name]}: {shown}", indent=6)
        if len(changed) > most:
            self.line(f"and {len(changed) - most} more (--flips N, --format json)", "dim", indent=2)

    def where(self, comparison: Comparison) -> None:
        """Where the pictures of the questions that changed are to be seen."""
        page, changed = comparison.page, (*comparison.worse, *comparison.better)
        if page is None or not changed:
            return
        place = words.place(page, changed[0].row)
        by = f", which `{page.command}` writes" if page.command else ""
        # Not broken into lines: both are to be copied.
        self.console.print(self.text(f"with pictures: {place}{by}", "dim"), soft_wrap=True)

    def _lines(self, lines: Sequence[str]) -> Text:
        from rich.text import Text

        return Text("\n").join(self.text(line) for line in lines)

    def _table(self, first: str, *numbers: str) -> Table:
        from rich import box
        from rich.table import Table

        unicode = self.console.encoding.lower().startswith("utf")
        table = Table(box=box.SIMPLE_HEAD if unicode else box.ASCII, show_edge=False, pad_edge=False)
        table.add_column(first, overflow="fold", min_width=8)
        for name in numbers:
            table.add_column(name, justify="right", no_wrap=True)
        return table
