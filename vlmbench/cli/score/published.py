"""`score --published`: figures beside a printed one, and the rows that decide, for the eye."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from vlmbench.plain_text import visible
from vlmbench.report.published_figure import BOTH, EVEN, UP

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MOST_ROWS = 20
"""Of the deciding rows; the JSON has all of them."""

NARROW, SHORT = 24, 10
"""Characters of an answer, and of what was read, in a table for 80 columns."""
ROUNDS = {None: "no", BOTH: "yes", UP: UP, EVEN: EVEN}

Document = Mapping[str, Any]


def print_published(published: Document, console: Console) -> None:
    """Which rule sets gave that number, and what decides between the nearest two."""
    from rich.text import Text

    console.print()
    console.print(Text(verdict(published), "bold"))
    console.print(Text(f"{published['rounding']}", "dim"))
    for line in stored_lines(published):
        console.print(Text(line))
    if published["figures"]:
        console.print()
        console.print(_table(("figure", "value", "rounds", "rule sets"), figure_rows(published)))
    for line in (*gap_lines(published), *deciding_lines(published)):
        console.print(Text(line))
    if published["rows"]:
        rules = [each["rules"] for each in published["nearest"]]
        console.print(_table(("row", "answer", *rules, "reference"), deciding_table(published, rules)))
    if len(published["rows"]) > MOST_ROWS:
        more = len(published["rows"]) - MOST_ROWS
        console.print(Text(f"{more} more: --format json lists every row"))


def stored_figures(printed: str, benchmark: str) -> list[dict[str, Any]]:
    """Where the published tables print this figure of this benchmark, with its rule set and decoding."""
    from vlmbench.leaderboards.board.published import figures_printed, published_tables

    return [asdict(found) for found in figures_printed(printed, benchmark, published_tables())]


def verdict(published: Document) -> str:
    """`published 67.7 is reached by circular accuracy under vlmevalkit, xtuner`."""
    by_name: dict[str, list[str]] = {}
    for match in published["matches"]:
        by_name.setdefault(match["name"], []).append(match["rules"])
    reached = [f"{name} under {_rule_sets(published, name, rules)}" for name, rules in by_name.items()]
    if reached:
        return f"published {published['printed']} is reached by {'; '.join(reached)}"
    if not published["figures"]:
        return f"published {published['printed']}: no rule set has a figure to compare"
    nearest = published["nearest"][0]
    return f"published {published['printed']}: nothing rounds to it; nearest is {_phrase(published, nearest)}"


def stored_lines(published: Document) -> Iterator[str]:
    """`stands in “…” for LLaVA-v1.5-13B, MMBench: rule set vlmevalkit-2024, greedy`."""
    for found in published["stored"]:
        rules = found["rules"] or "not known"
        decoding = found["decoding"] or "decoding not known"
        where = f"“{found['table']}” for {found['model']}, {found['benchmark'].replace('_', ' ')}"
        yield f"stands in {where}: rule set {rules}, {decoding}"


def _rule_sets(published: Document, name: str, rules: Sequence[str]) -> str:
    having = [figure for figure in published["figures"] if figure["name"] == name]
    return ", ".join(rules) if len(rules) < max(3, len(having)) else "every rule set that has it"


def figure_rows(published: Document) -> Iterator[Sequence[str]]:
    """One line a figure and value, with the rule sets that come to it.

    Of splits, and of the ways to put figures side by side, only those that round and the nearest.
    """
    near = {each["name"] for each in published["nearest"]}
    lines: dict[tuple[str, str, str], list[str]] = {}
    for figure in published["figures"]:
        whole = figure["level"] != "split" and len(figure["shown"]) == 1
        if whole or figure["rounds"] or figure["name"] in near:
            key = (figure["name"], _shown(figure["shown"], published), ROUNDS[figure["rounds"]])
            lines.setdefault(key, []).append(figure["rules"])
    names = list(dict.fromkeys(name for name, _, _ in lines))
    for key in sorted(lines, key=lambda key: names.index(key[0])):
        yield (*key, ", ".join(lines[key]))


def gap_lines(published: Document) -> Iterator[str]:
    """How far the nearest figure is, and what could close the gap."""
    gap = published["gap"]
    if gap is None:
        return
    nearest = published["nearest"][0]
    figure = next(f for f in published["figures"] if (f["rules"], f["name"]) == _key(nearest))
    away = f"{figure['distance']:.3g} away"
    if gap["units"] is not None:
        away += f": at least {gap['units']} of {gap['of']} questions would have to count otherwise"
    yield ""
    yield away
    if gap["drawn"]:
        yield f"{gap['drawn']} options were drawn at random, as its authors do: another draw moves the figure"
    open_rows = f"{gap['unparsed']} unparsed and {gap['unscored']} unscored rows"
    if gap["bounds"] is not None:
        low, high = (_shown([end], published) for end in gap["bounds"])
        verb = "could close the gap" if gap["closable"] else "cannot close the gap"
        yield f"{open_rows} {verb}: all wrong {low}, all right {high}"
    elif gap["unparsed"] or gap["unscored"]:
        yield f"{open_rows}: what they could change cannot be computed"
    else:
        yield "no row is unparsed or unscored: reading them otherwise cannot close the gap"


def deciding_lines(published: Document) -> Iterator[str]:
    """The heading of the deciding rows."""
    nearest, rows = published["nearest"], published["rows"]
    if not nearest:
        return
    yield ""
    if len(nearest) == 1:
        yield "every rule set that has this figure comes to the same value"
        return
    one, other = (_phrase(published, each) for each in nearest)
    if not rows:
        yield f"{one} and {other} read every row alike: they count the rows in different ways"
    else:
        yield f"{one} and {other}: {len(rows)} row{'s' * (len(rows) > 1)} decide{'s' * (len(rows) == 1)}"


def deciding_table(published: Document, rules: Sequence[str]) -> Iterator[Sequence[str]]:
    """Row, answer, what each rule set read, reference."""
    for row in published["rows"][:MOST_ROWS]:
        reads = (_read(row["read"][name]) for name in rules)
        yield row["id"], visible(row["answer"], NARROW), *reads, visible(row["reference"], SHORT)


def _read(reading: Document | None) -> str:
    """`B right`, `C wrong`, `B 0.3`; why there is none."""
    if reading is None:
        return "row not seen"
    found = "unparsed" if reading["found"] is None else visible(reading["found"], SHORT) or "(empty)"
    value = reading["value"]
    if value is None:
        return f"{found}, not scored"
    return f"{found} {'right' if value == 1 else 'wrong' if value == 0 else f'{value:.3g}'}"


def _phrase(published: Document, named: Document) -> str:
    figure = next(f for f in published["figures"] if (f["rules"], f["name"]) == _key(named))
    return f"{figure['name']} under {figure['rules']}, {_shown(figure['shown'], published)}"


def _key(named: Document) -> tuple[str, str]:
    return named["rules"], named["name"]


def _shown(values: Sequence[float], published: Document) -> str:
    """With two more decimals than are printed, so that a near miss can be seen."""
    decimals = len(published["printed"].partition("/")[0].rstrip("% ").partition(".")[2]) + 2
    return "/".join(f"{value:.{decimals}f}" for value in values)


def _table(heads: Sequence[str], rows: Iterator[Sequence[str]]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    cells = list(rows)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for head, *column in zip(heads, *cells, strict=True):
        table.add_column(
            head,
            justify="right" if head == "value" else "left",
            overflow="fold",
            min_width=min(14, max(map(len, column))),
        )
    for row in cells:
        table.add_row(*map(Text, row))
    return table
