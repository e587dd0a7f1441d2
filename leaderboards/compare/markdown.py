"""Comparisons as Markdown, for a CI's summary page or a pull request."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from vlmbench.leaderboards.compare.nouns import CategoryDifference, Comparison, Flip, Refusal
from vlmbench.leaderboards.compare.text import (
    OF_CATEGORIES,
    adjustment,
    anchor,
    by_row,
    chance,
    change,
    evidence,
    flipped,
    headline,
    interval,
    letters,
    matrix_of,
    place,
    reach,
    score,
    size,
    verdict,
)
from vlmbench.plain_text import markdown

NAME = 60
"""Most characters of the name of a category or a benchmark."""


def comparison_markdown(
    comparisons: Sequence[Comparison],
    refused: Sequence[Refusal],
    *,
    flips: int = 5,
    folder: Path | None = None,
) -> str:
    """A table of all, a matrix where there are more than two runs, then every run against the first in full.

    `folder` is where the text will be written: links to pages are relative to it.
    """
    names = letters(comparisons)
    lines = ["## vlmbench compare", ""]
    lines += [f"* **{letter}** {markdown(name, 400)}" for name, letter in names.items()]
    lines += ["", *_overview(comparisons, names)]
    for refusal in refused:
        lines += ["", f"**{markdown(refusal.benchmark)}** not compared: {markdown(refusal.reason, 1000)}"]
    for benchmark in dict.fromkeys(comparison.benchmark for comparison in comparisons):
        of_this = [comparison for comparison in comparisons if comparison.benchmark == benchmark]
        lines += ["", f"### {markdown(benchmark)}"]
        if len(names) > 2:
            lines += ["", *_matrix(of_this, names)]
        for comparison in of_this:
            if comparison.first.name == comparisons[0].first.name:
                lines += ["", *_Details(comparison, names, folder).lines(flips)]
    return "\n".join(lines) + "\n"


def _table(*columns: str, texts: int = 1) -> Iterator[str]:
    """The head of a table; the first `texts` columns are text, the others numbers."""
    yield _row(columns)
    yield f"|{'---|' * texts}{'---:|' * (len(columns) - texts)}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _overview(comparisons: Sequence[Comparison], names: dict[str, str]) -> Iterator[str]:
    if not comparisons:
        return
    note = adjustment(comparisons)
    yield "| benchmark | rules | first | second | difference | 95 % | {} | verdict |".format(
        "p (Holm)" if note else "p"
    )
    yield "|---|---|---:|---:|---:|---:|---:|---|"
    for c in comparisons:
        cells = [
            markdown(c.benchmark, NAME),
            c.rules,
            f"{names[c.first.name]} {score(c.fraction, c.first.value)}",
            f"{names[c.second.name]} {score(c.fraction, c.second.value)}",
            change(c.fraction, c.difference.value),
            interval(c.fraction, c.difference),
            chance(c.adjusted_p),
            f"**{c.verdict}**" if c.verdict != "cannot be told apart" else c.verdict,
        ]
        yield _row(cells)
    if note:
        yield ""
        yield markdown(note, 1000)


def _matrix(comparisons: Sequence[Comparison], names: dict[str, str]) -> Iterator[str]:
    matrix = matrix_of(comparisons)
    yield from _table("", "score", *(names[name] for name in matrix.scores))
    for row, figure in matrix.scores.items():
        found = [matrix.cells.get((row, column)) for column in matrix.scores]
        cells = [f"{markdown(cell.change)}<br>{cell.interval}" if cell else "" for cell in found]
        yield _row([f"**{names[row]}**", figure, *cells])
    yield ""
    yield "Column minus row, in points, with the 95 % interval; \\* is significant after Holm\\."


class _Details:
    """One run against the first, in full."""

    def __init__(self, comparison: Comparison, names: dict[str, str], folder: Path | None) -> None:
        self.comparison, self.folder = comparison, folder
        self.letters = [names[side.name] for side in (comparison.first, comparison.second)]
        self.several = len(names) > 2

    def lines(self, flips: int) -> Iterator[str]:
        """Verdict, categories, and the questions that changed."""
        comparison = self.comparison
        if self.several:
            yield f"#### {' against '.join(reversed(self.letters))}"
            yield ""
        text = f"{verdict(comparison, *self.letters)} {evidence(comparison)}; {size(comparison)}."
        yield f"{text} {reach(comparison)}"
        if comparison.by_row:
            yield ""
            yield by_row(comparison)
        for letter, side in zip(self.letters, (comparison.first, comparison.second), strict=True):
            if quoted := headline(side):
                yield f"* {letter}: {markdown(quoted)}"
        for note in comparison.notes:
            yield f"* {markdown(note, 1000)}"
        yield from self.categories(comparison.categories)
        yield ""
        yield f"{flipped(comparison)}."
        for title, changed in (("got worse", comparison.worse), ("got better", comparison.better)):
            if changed and flips:
                yield from self.flips(title, changed, flips)
        yield from self.where()

    def categories(self, parts: Sequence[CategoryDifference]) -> Iterator[str]:
        """Every category, Holm's p among those of its level."""
        if not parts:
            return
        clustered = ["clusters"] * any(part.difference.n != part.units for part in parts)
        columns = (f"{self.comparison.unit}s", *clustered, *self.letters)
        yield ""
        yield from _table("category", *columns, "difference", "95 %", "p (Holm)")
        for part in parts:
            cells = [
                f"{markdown(part.level, NAME)}: {markdown(part.name, NAME)}",
                str(part.units),
                *[str(part.difference.n) for _ in clustered],
                score(self.comparison.unit_fraction, part.first),
                score(self.comparison.unit_fraction, part.second),
                change(self.comparison.unit_fraction, part.difference.value),
                interval(self.comparison.unit_fraction, part.difference),
                chance(part.adjusted_p),
            ]
            yield _row(cells)
        yield ""
        yield f"{markdown(OF_CATEGORIES)}."

    def flips(self, title: str, changed: Sequence[Flip], most: int) -> Iterator[str]:
        """The answers to the questions that changed; each row links to the page, where there is one."""
        yield ""
        yield f"<details><summary>{len(changed)} {title}</summary>"
        yield ""
        yield from _table("row", "question", "reference", *(f"answer of {x}" for x in self.letters), texts=5)
        for flip in changed[:most]:
            texts = (flip.question, ", ".join(flip.references), flip.first.text, flip.second.text)
            yield _row([self.link(flip.row), *map(markdown, texts)])
        if len(changed) > most:
            yield f"| | and {len(changed) - most} more | | | |"
        yield ""
        yield "</details>"

    def link(self, row: str) -> str:
        """The name of a row, linked to its pictures."""
        page = self.comparison.page
        if page is None or page.command is not None:
            return markdown(row)
        path = page.path if self.folder is None else os.path.relpath(page.path, self.folder)
        address = quote(path.replace(os.sep, "/"), errors="replace")
        return f"[{markdown(row)}](<{address}#{anchor(row)}>)"

    def where(self) -> Iterator[str]:
        """The command that writes the page with the pictures, where there is no page yet."""
        page, changed = self.comparison.page, (*self.comparison.worse, *self.comparison.better)
        if page is None or page.command is None or not changed:
            return
        yield ""
        yield (
            f"With their pictures: <code>{markdown(page.command, 1000)}</code> writes "
            f"<code>{markdown(place(page, changed[0].row), 600)}</code>"
        )
