"""A comparison in words and numbers, the same on the terminal, in Markdown and in JUnit; runs as a matrix."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from vlmbench.leaderboards.compare.nouns import ComparedRun, Comparison, Page
from vlmbench.plain_text import visible
from vlmbench.stats import Difference

OF_CATEGORIES = "p by Holm's method over the categories of one level; intervals are not adjusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The run of the column minus the run of the row."""

    change: str
    """In points, with a star where it is significant."""
    interval: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Every run of one benchmark against every other."""

    scores: Mapping[str, str]
    """By name, in the order of the command line."""
    cells: Mapping[tuple[str, str], Cell]
    """By row and column; refused pairs are absent."""


def score(fraction: bool, value: float | None) -> str:
    """`92.5 %`, or the number where scores are not fractions."""
    if value is None:
        return "none"
    return f"{value * 100:.1f} %" if fraction else f"{value:.2f}"


def headline(side: ComparedRun) -> str:
    """The headline of the whole run where it differs from the tested value; else empty."""
    if side.headline is None or abs(side.headline - side.value) < 1e-9:
        return ""
    fraction = side.headline_unit == "fraction"
    figure = f"{side.headline * 100:.1f} %" if fraction else f"{side.headline:.1f}"
    return f"{side.headline_name} of the whole run: {figure}"


def change(fraction: bool, value: float) -> str:
    """`+1.2`: a difference in points; zero has no sign."""
    text = f"{value * 100:+.1f}" if fraction else f"{value:+.2f}"
    return text if text.strip("+-0.") else text[1:]


def interval(fraction: bool, difference: Difference) -> str:
    """`-3.1 … +0.4`; empty without an interval."""
    if difference.ci95 is None:
        return ""
    return " … ".join(change(fraction, end) for end in difference.ci95)


def chance(p: float | None) -> str:
    """A p-value, to three places."""
    if p is None:
        return "none"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(comparison: Comparison, first: str = "the first run", second: str = "the second run") -> str:
    """The verdict in one sentence."""
    if comparison.verdict == "cannot be told apart":
        text = f"{first} and {second} cannot be told apart on these {size(comparison)}."
    elif comparison.verdict == "better":
        text = f"{second} is better than {first}."
    else:
        text = f"{second} is worse than {first}."
    return text[0].upper() + text[1:]


def size(comparison: Comparison) -> str:
    """`1164 questions`, and how many independent ones where rows come in clusters."""
    units = comparison.units
    noun = f"{units} {comparison.unit}{'s' * (units != 1)}"
    return noun if comparison.difference.n == units else f"{noun} in {comparison.difference.n} clusters"


def evidence(comparison: Comparison) -> str:
    """The difference with its interval, p-value and test, in one line."""
    of = f" of {comparison.measure}" if comparison.measure else ""
    text = _tested(comparison.fraction, comparison.difference, of)
    if comparison.adjusted_p != comparison.difference.p:
        text += f", {chance(comparison.adjusted_p)} after Holm"
    return text


def by_row(comparison: Comparison) -> str:
    """The comparison row by row; empty where there is none."""
    found = comparison.by_row
    if found is None:
        return ""
    first, second = (score(comparison.unit_fraction, value) for value in (found.first, found.second))
    draws = found.difference.n
    in_clusters = f"{found.rows} rows in {draws} clusters"
    where = f"{found.rows} rows in {draws} questions" if comparison.measure is None else in_clusters
    return (
        f"Row by row: {first} and {second}, {_tested(comparison.unit_fraction, found.difference)}; {where}."
    )


def _tested(fraction: bool, difference: Difference, of: str = "") -> str:
    points = f"{change(fraction, difference.value)} points{of}"
    if difference.p is None:
        return f"{points}; a single cluster, so there is no test"
    p = chance(difference.p)
    if difference.ci95 is None:
        return f"{points}, p {p} by {difference.test}"
    return f"{points} (95 %: {interval(fraction, difference)}), p {p} by {difference.test}"


def reach(comparison: Comparison) -> str:
    """The smallest difference that this set detects with 80 % power."""
    if comparison.difference.smallest is None:
        return "The smallest difference this set can detect is unknown: the scores do not vary."
    least = change(comparison.fraction, comparison.difference.smallest).lstrip("+")
    return f"The smallest difference this set detects with 80 % power: {least} points."


def flipped(comparison: Comparison) -> str:
    """How many units changed, each way."""
    return f"{len(comparison.worse)} got worse, {len(comparison.better)} got better, {comparison.alike} alike"


def adjustment(comparisons: Sequence[Comparison]) -> str:
    """How the p-values of several comparisons are adjusted; empty for a single one."""
    if len(comparisons) < 2:
        return ""
    first = comparisons[0].first.name
    with_first = sum(c.first.name == first for c in comparisons)
    among = len(comparisons) - with_first
    others = f", the {among} among the other runs as another" if among else ""
    return (
        f"p-values are adjusted by Holm's method, the {with_first} "
        f"comparison{'s' * (with_first != 1)} with the first run as one family{others}. "
        "Intervals are not adjusted: one may exclude 0 although the adjusted p is not significant."
    )


def place(page: Page, row: str) -> str:
    """The address of a row on the page that shows both runs side by side."""
    return f"{page.path}#{anchor(row)}"


def anchor(row: str) -> str:
    """The id of a row on that page, escaped for an address."""
    return f"row-{quote(visible(row), safe='')}"


def letters(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """A letter for each run, in the order of the command line."""
    folders = dict.fromkeys(side.name for c in comparisons for side in (c.first, c.second))
    return {name: _letter(number) for number, name in enumerate(folders)}


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else f"R{number + 1}"


def matrix_of(comparisons: Sequence[Comparison]) -> Matrix:
    """The matrix of one benchmark's pairs; each pair was compared in one direction."""
    scores: dict[str, str] = {}
    cells: dict[tuple[str, str], Cell] = {}
    for comparison in comparisons:
        first, second = comparison.first, comparison.second
        for side in (first, second):
            scores.setdefault(side.name, score(comparison.fraction, side.value))
        cells[first.name, second.name] = _cell(comparison, 1)
        cells[second.name, first.name] = _cell(comparison, -1)
    return Matrix(scores=scores, cells=cells)


def _cell(comparison: Comparison, sign: int) -> Cell:
    star = "*" * (comparison.verdict != "cannot be told apart")
    ends = sorted(sign * end for end in comparison.difference.ci95 or ())
    return Cell(
        change=change(comparison.fraction, sign * comparison.difference.value) + star,
        interval=" … ".join(change(comparison.fraction, end) for end in ends),
    )
