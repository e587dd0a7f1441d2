"""Comparisons as Markdown, for a CI's summary page or a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vlmbench.plain_text import markdown

from .compare_nouns import Comparison, Flip, Refusal
from .compare_words import (
    by_row,
    chance,
    change,
    evidence,
    flipped,
    interval,
    letters,
    reach,
    score,
    size,
    verdict,
)


def comparison_markdown(
    comparisons: Sequence[Comparison], refused: Sequence[Refusal], *, flips: int = 5
) -> str:
    """A table of all, then each benchmark of two runs in full."""
    names = letters(comparisons)
    lines = ["## vlmbench compare", ""]
    lines += [f"* **{letter}** {markdown(name, 400)}" for name, letter in names.items()]
    lines += ["", *_overview(comparisons, names)]
    for refusal in refused:
        lines += ["", f"**{markdown(refusal.benchmark)}** not compared: {markdown(refusal.reason, 1000)}"]
    if len(names) <= 2:
        for comparison in comparisons:
            lines += ["", *_details(comparison, flips)]
    return "\n".join(lines) + "\n"


def _overview(comparisons: Sequence[Comparison], names: dict[str, str]) -> Iterator[str]:
    if not comparisons:
        return
    yield "| benchmark | rules | first | second | difference | 95 % | p | verdict |"
    yield "|---|---|---:|---:|---:|---:|---:|---|"
    for c in comparisons:
        cells = [
            markdown(c.benchmark),
            c.rules,
            f"{names[c.first.name]} {score(c, c.first.value)}",
            f"{names[c.second.name]} {score(c, c.second.value)}",
            change(c, c.difference.value),
            interval(c, c.difference),
            chance(c.adjusted_p),
            f"**{c.verdict}**" if c.verdict != "cannot be told apart" else c.verdict,
        ]
        yield f"| {' | '.join(cells)} |"


def _details(comparison: Comparison, flips: int) -> Iterator[str]:
    yield f"### {markdown(comparison.benchmark)}"
    yield ""
    yield f"{verdict(comparison)} {evidence(comparison)}; {size(comparison)}. {reach(comparison)}"
    if comparison.by_row:
        yield ""
        yield by_row(comparison)
    for note in comparison.notes:
        yield f"* {markdown(note, 1000)}"
    yield from _categories(comparison)
    yield ""
    yield f"{flipped(comparison)}."
    for title, changed in (("got worse", comparison.worse), ("got better", comparison.better)):
        if changed and flips:
            yield from _flips(title, changed, flips)


def _categories(comparison: Comparison) -> Iterator[str]:
    if not comparison.categories:
        return
    yield ""
    yield "| category | n | first | second | difference | 95 % | p (Holm) |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for part in comparison.categories:
        cells = [
            f"{markdown(part.level)}: {markdown(part.name)}",
            str(part.difference.n),
            score(comparison, part.first),
            score(comparison, part.second),
            change(comparison, part.difference.value),
            interval(comparison, part.difference),
            chance(part.adjusted_p),
        ]
        yield f"| {' | '.join(cells)} |"


def _flips(title: str, changed: Sequence[Flip], most: int) -> Iterator[str]:
    yield ""
    yield f"<details><summary>{len(changed)} {title}</summary>"
    yield ""
    yield "| row | question | answer | first said | second said |"
    yield "|---|---|---|---|---|"
    for flip in changed[:most]:
        texts = (flip.row, flip.question, ", ".join(flip.references), flip.first.text, flip.second.text)
        yield f"| {' | '.join(markdown(text) for text in texts)} |"
    if len(changed) > most:
        yield f"| | and {len(changed) - most} more | | | |"
    yield ""
    yield "</details>"
