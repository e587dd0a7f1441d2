"""A comparison in words and numbers, the same on the terminal, in Markdown and in JUnit."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from vlmbench.leaderboards.compare.nouns import Comparison, Page, Side
from vlmbench.plain_text import visible
from vlmbench.stats import Difference

OF_CATEGORIES = "p by Holm's method over the categories of one level; intervals are not adjusted"


def score(fraction: bool, value: float | None) -> str:
    """`92.5 %`, or the bare figure where scores are no fractions."""
    if value is None:
        return "none"
    return f"{value * 100:.1f} %" if fraction else f"{value:.2f}"


def headline(side: Side) -> str:
    """The figure that tables quote of the whole run, where it is another one than what is tested."""
    if side.headline is None or abs(side.headline - side.value) < 1e-9:
        return ""
    fraction = side.headline_unit == "fraction"
    figure = f"{side.headline * 100:.1f} %" if fraction else f"{side.headline:.1f}"
    return f"{side.headline_name} of the whole run: {figure}"


def change(fraction: bool, value: float) -> str:
    """`+1.2`: a difference in points; nothing has no sign."""
    text = f"{value * 100:+.1f}" if fraction else f"{value:+.2f}"
    return text if text.strip("+-0.") else text[1:]


def interval(fraction: bool, difference: Difference) -> str:
    """`-3.1 … +0.4`, empty where there is none."""
    if difference.ci95 is None:
        return ""
    return " … ".join(change(fraction, end) for end in difference.ci95)


def chance(p: float | None) -> str:
    """A p-value, to three places."""
    if p is None:
        return "none"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def verdict(comparison: Comparison, first: str = "the first run", second: str = "the second run") -> str:
    """The one sentence that may be quoted."""
    if comparison.verdict == "cannot be told apart":
        text = f"{first} and {second} cannot be told apart on these {size(comparison)}."
    else:
        text = f"{second} is {comparison.verdict} than {first}."
    return text[0].upper() + text[1:]


def size(comparison: Comparison) -> str:
    """`1164 questions`, and how many independent ones where rows come in clusters."""
    units = comparison.units
    noun = f"{units} {comparison.unit}{'s' * (units != 1)}"
    return noun if comparison.difference.n == units else f"{noun} in {comparison.difference.n} clusters"


def evidence(comparison: Comparison) -> str:
    """The difference with everything that belongs to it, in one line."""
    of = f" of {comparison.measure}" if comparison.measure else ""
    text = _tested(comparison.fraction, comparison.difference, of)
    if comparison.adjusted_p != comparison.difference.p:
        text += f", {chance(comparison.adjusted_p)} after Holm"
    return text


def by_row(comparison: Comparison) -> str:
    """The same row by row; empty where there is no such second look."""
    found = comparison.by_row
    if found is None:
        return ""
    scores = " and ".join(score(comparison.unit_fraction, value) for value in (found.first, found.second))
    draws = "questions" if comparison.measure is None else "clusters"
    where = f"{found.rows} rows in {found.difference.n} {draws}"
    return f"Row by row: {scores}, {_tested(comparison.unit_fraction, found.difference)}; {where}."


def _tested(fraction: bool, difference: Difference, of: str = "") -> str:
    text = f"{change(fraction, difference.value)} points{of}"
    if difference.ci95 is not None:
        text += f" (95 %: {interval(fraction, difference)})"
    if difference.p is None:
        return f"{text}, one cluster alone, which no test can judge"
    return f"{text}, p {chance(difference.p)} by {difference.test}"


def reach(comparison: Comparison) -> str:
    """What this set could have shown."""
    if comparison.difference.smallest is None:
        return "How small a difference this set could show cannot be told: nothing varies."
    least = change(comparison.fraction, comparison.difference.smallest).lstrip("+")
    return f"The smallest difference this set would show four times of five: {least} points."


def flipped(comparison: Comparison) -> str:
    """How many units changed, each way."""
    return f"{len(comparison.worse)} got worse, {len(comparison.better)} got better, {comparison.alike} alike"


def adjustment(comparisons: Sequence[Comparison]) -> str:
    """What the p-values of several comparisons are adjusted for; empty where there is one alone."""
    if len(comparisons) < 2:
        return ""
    first = comparisons[0].first.name
    with_first = sum(c.first.name == first for c in comparisons)
    among = len(comparisons) - with_first
    others = f", the {among} among the other runs as another" if among else ""
    return (
        f"p-values are adjusted by Holm's method, the {with_first} "
        f"comparison{'s' * (with_first != 1)} with the first run as one family{others}. "
        "Intervals are not adjusted: one may exclude 0 where the adjusted p does not tell the two apart."
    )


def place(page: Page, row: str) -> str:
    """Where a row stands on the page that shows both runs side by side."""
    return f"{page.path}#{anchor(row)}"


def anchor(row: str) -> str:
    """As the page itself names its rows, with every character escaped that an address may not hold."""
    return f"row-{quote(visible(row), safe='')}"


def letters(comparisons: Sequence[Comparison]) -> dict[str, str]:
    """A letter for each run, in the order of the command line."""
    folders = dict.fromkeys(side.name for c in comparisons for side in (c.first, c.second))
    return {name: _letter(number) for number, name in enumerate(folders)}


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else f"R{number + 1}"
