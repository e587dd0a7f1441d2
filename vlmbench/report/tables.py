"""Results on the console: the headline with its interval, every rule set, the categories with bars.

The tables fit any width and need neither colours nor more than ASCII.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from vlmbench.answers.scores import NO_RULE
from vlmbench.chinese import translated
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

FigureDict = Mapping[str, Any]

BAR_FROM = 76
"""Columns from which bars are shown; below, from which intervals are."""
INTERVAL_FROM = 48
NAME = 60
"""Most characters of a category's name."""
_NAMED, _REASON = 3, 120
"""How many unscored questions are named, and most characters of the reason."""
_JOINED = ("rows", "questions")
_SECTIONS = {"split": "split", "l2-category": "l2-category", "category": "category", "draws": "several draws"}
"""Levels of figures that have a heading of their own."""
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Glyphs:
    """The characters of bars and intervals."""

    plus_minus: str = "±"
    dash: str = "–"
    dot: str = "·"
    filled: str = "━"
    low: str = "├"
    between: str = "─"
    here: str = "┼"
    high: str = "┤"


ASCII = Glyphs("+/-", "-", "|", "=", "[", "-", "+", "]")


def results_table(document: Mapping[str, Any], *, console: Console, rows: str = "scores.jsonl") -> None:
    """Print a results document; `rows` is the file that has the score of each row."""
    from rich.text import Text

    page = _ResultsTables(document, console)
    called = document.get("name") or document["model"]
    console.print(Text(page.clean(f"{document['benchmark']} {page.glyphs.dot} {called}"), "bold"))
    for warning in warnings(document, rows):
        console.print(Text(page.clean(warning), "bold yellow"))
    console.print(
        Text.assemble(page.clean(translated(document["headline"]["name"])), "  ", (page.headline(), "bold"))
    )
    for line in (page.counts(), *page.spread(), *page.usage(), *page.joined(), *page.judge()):
        console.print(Text(line, "dim"))
    console.print()
    console.print(page.rule_sets())
    more = document["metrics"][1:]
    if any(figure["value"] is not None for figure in more):
        console.print()
        console.print(page.figures(more))


def figure_text(figure: FigureDict) -> str:
    """`61.4 %`, or the number of a figure that is no fraction; empty without a value."""
    if figure["value"] is None:
        return ""
    percent = " %" if figure["unit"] == "fraction" else ""
    return f"{_number(figure['value'], figure['unit'])}{percent}"


def is_lopsided(figure: FigureDict) -> bool:
    """Whether the value is not in the middle of its interval, so that ± would not say where that lies."""
    return _number(abs(sum(figure["ci95"]) / 2 - figure["value"]), figure["unit"]) != "0.0"


def interval_text(figure: FigureDict) -> str:
    """`58.6 – 64.2`, in the unit of the figure; empty without an interval."""
    return Glyphs().dash.join(f" {_number(end, figure['unit'])} " for end in figure["ci95"] or ()).strip()


def warnings(document: Mapping[str, Any], rows: str) -> Iterator[str]:
    """Why these figures are not comparable with others of the benchmark."""
    if document["partial"]:
        limit = f" (--limit {document['limit']})" if document["limit"] is not None else ""
        yield f"partial: only some of the questions were asked{limit}"
    if left_out := document.get("left_out"):
        asked = document["benchmark"]
        yield f"left out: {_count(left_out, 'question')} of the file that {asked} does not ask"
    if document["blind"]:
        yield "blind: every picture was grey"
    if document.get("needs_judge"):
        yield "no score yet: answers are kept, add --judge openai:MODEL@URL or --judgments FILE"
    judged = document["judged"]
    if judged.get("failed") or judged.get("not_asked"):
        failed, capped = judged["failed"], judged["not_asked"]
        yield f"incomplete: the judge failed on {failed} prompts, {capped} were over its cap"
    if document["errors"] or document["rows"]["asked"] > document["rows"]["answered"]:
        left = document["rows"]["asked"] - document["rows"]["answered"] - document["errors"]
        yield f"incomplete: {_count(document['errors'], 'error')}, {left} not answered"
    if (line := unscored_line(document, rows)) is not None:
        yield line


def unscored_line(document: Mapping[str, Any], rows: str) -> str | None:
    """The questions without a score, the first by name; None where they only wait for a judge."""
    unscored = document.get("unscored", {"count": 0})
    if not unscored["count"] or document.get("needs_judge"):
        return None
    reason = visible(next(iter(unscored["reasons"])), _REASON)
    return f"unscored: {_count(unscored['count'], 'question')}, see {rows}: {_named(unscored)} ({reason})"


class _ResultsTables:
    """One document on one console."""

    def __init__(self, document: Mapping[str, Any], console: Console) -> None:
        self.document = document
        self.encoding = console.encoding
        self.width = console.width
        self.glyphs = Glyphs() if _can_write("".join(_all_glyphs()), self.encoding) else ASCII

    def clean(self, text: str) -> str:
        """The text without characters that move the cursor, reverse the line or cannot be encoded."""
        plain = _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)
        return plain.encode(self.encoding, "replace").decode(self.encoding)

    def headline(self) -> str:
        """`61.4 % (95 %: ± 2.8, 58.6 – 64.2)`; without `± 2.8` where the interval is not symmetric."""
        figure = self.document["headline"]
        if figure["value"] is None or figure["ci95"] is None:
            return self.value(figure)
        low, high = figure["ci95"]
        half = (
            ""
            if is_lopsided(figure)
            else f"{self.glyphs.plus_minus} {_number((high - low) / 2, figure['unit'])}, "
        )
        return f"{self.value(figure)} (95 %: {half}{self.interval(figure)})"

    def value(self, figure: FigureDict) -> str:
        """A figure, or why there is none."""
        if figure["value"] is None:
            unread = "needs a judge" if self.document.get("needs_judge") else "not scored"
            return "withheld" if self.document["withheld"] else unread
        return figure_text(figure)

    def interval(self, figure: FigureDict) -> str:
        """Both ends, in the unit of the figure."""
        if figure["ci95"] is None:
            return ""
        low, high = (_number(end, figure["unit"]) for end in figure["ci95"])
        return f"{low} {self.glyphs.dash} {high}"

    def counts(self) -> str:
        """How many groups, rows, unparsed answers and errors the headline counts."""
        headline, rows = self.document["headline"], self.document["rows"]["asked"]
        parts = [_count(rows, "row"), _unparsed(self.document["unparsed"])]
        parts.append(_count(self.document["errors"], "error"))
        if thinking := self.document.get("thinking"):
            parts.append(f"{_count(thinking['thoughts'], 'thought')} ({thinking['unfinished']} unfinished)")
        if (draws := self.document.get("draws")) is not None:
            parts.insert(1, f"{draws['number']} draws of each")
        if headline["rows"] != headline["n"]:
            parts.insert(0, _count(headline["n"], "group"))
        if self.document["judged"]["model"] is not None:
            parts.append(f"{self.document['judged']['count']} judged")
        return f" {self.glyphs.dot} ".join(parts)

    def spread(self) -> Iterator[str]:
        """How far draws of one question and questions lie apart, where there are several draws."""
        found = self.document["by_rules"][self.document["rules"]].get("spread")
        if found is not None:
            within, between = (f"{found[part] * 100:.1f}" for part in ("within", "between"))
            yield f"standard deviations: {within} between draws of a question, {between} between questions"

    def usage(self) -> Iterator[str]:
        """Tokens of all answers and what they cost."""
        usage = self.document.get("usage")
        if usage is None:
            return
        if not usage["counted"]:
            yield "tokens: not counted, so there is no cost"
            return
        cached = f" ({usage['cached_tokens']:,} cached)" if usage["cached_tokens"] else ""
        thoughts = f" ({usage['thought_tokens']:,} in thoughts)" if usage["thought_tokens"] else ""
        parts = [
            f"{usage['prompt_tokens'] or 0:,} sent{cached}",
            f"{usage['new_tokens'] or 0:,} received{thoughts}",
        ]
        parts += [f"{_count(usage['not_counted'], 'answer')} not counted"] if usage["not_counted"] else []
        parts += [] if usage["cost"] is None else [f"cost {usage['cost']:.4f}"]
        yield f"tokens: {', '.join(parts)}"

    def joined(self) -> Iterator[str]:
        """How many reference answers came from another file, and why the others did not."""
        joined = self.document.get("joined")
        if joined is None:
            return
        rows, questions = (f"{joined[what]} of {_count(joined[f'of_{what}'], what[:-1])}" for what in _JOINED)
        yield self.clean(f"answers of {visible(joined['file'])}: {rows}, {questions}")
        if joined["contradicted"]:
            own = _count(joined["own"], "row")
            yield f"{own} had answers already, which were kept; the file contradicts {joined['contradicted']}"
        for why, count in joined["not_joined"].items():
            yield self.clean(f"not joined: {_count(count, 'row')}, {why}")

    def judge(self) -> Iterator[str]:
        """The judge and what it took; how far the unparsed rows could move the headline."""
        judged, bounds = self.document["judged"], self.document.get("bounds")
        if (stored := judged.get("judgments")) is not None:
            by = "" if stored["judge"] is None else f" ({stored['judge']})"
            yield self.clean(f"judgments from {stored['file']}{by}: {_count(stored['rows'], 'row')}")
        if judged["model"] is not None:
            price = "" if judged["cost"] is None else f", cost {judged['cost']:.4f}"
            yield self.clean(
                f"judge {judged['model']}: {judged['asked']} asked, {judged['reused']} replies reused, "
                f"{judged['prompt_tokens']} + {judged['new_tokens']} tokens{price}"
            )
        if bounds is not None:
            low, high = (_number(end, self.document["headline"]["unit"]) for end in bounds)
            what = "unparsed and unscored" if self.document.get("unscored", {}).get("count") else "unparsed"
            yield f"{what} all wrong {self.glyphs.dash} all right: {low} {self.glyphs.dash} {high}"

    def rule_sets(self) -> Table:
        """The headline under every rule set."""
        intervals = self.width >= INTERVAL_FROM
        by_rules = self.document["by_rules"]
        unscored = {rules: result.get("unscored", {}).get("count", 0) for rules, result in by_rules.items()}
        counted = any(unscored.values())
        table = self._table(
            "rule set", "score", *["95 %"] * intervals, "unparsed", *[translated("unscored")] * counted
        )
        for rules, result in by_rules.items():
            figure = result["headline"]
            if figure["name"] in NO_RULE.values() and rules != self.document["rules"]:
                continue
            chosen = "bold" if rules == self.document["rules"] else None
            cells = [self.value(figure), *[self.interval(figure)] * intervals]
            cells.append("" if figure["value"] is None else _percent(result["unparsed"]["rate"]))
            table.add_row(rules, *cells, *[str(unscored[rules] or "")] * counted, style=chosen)
        return table

    def figures(self, metrics: Iterable[FigureDict]) -> Table:
        """Every other figure, by level, with a bar where there is room."""
        from rich.text import Text

        intervals, bars = self.width >= INTERVAL_FROM, self.width >= BAR_FROM
        table = self._table("", "n", "score", *["95 %"] * intervals, *[""] * bars)
        for level, group in groupby(metrics, lambda figure: _section(figure["level"])):
            table.add_section()
            if level:
                table.add_row(Text(translated(level), "italic"))
            for figure in group:
                cells = [str(figure["n"]), self.value(figure), *[self.interval(figure)] * intervals]
                # Names of categories are the benchmark's own.
                own = figure["name"] if level else translated(figure["name"])
                name = self.clean(visible(own, NAME))
                table.add_row(Text(name), *cells, *[Text(self.bar(figure))] * bars)
        return table

    def bar(self, figure: FigureDict) -> str:
        """0 to 100 % on a line: filled up to the interval, a whisker over it."""
        cells = 20 if self.width < 110 else 30
        if figure["value"] is None or figure["unit"] != "fraction":
            return ""
        low, high = (_cell(end, cells) for end in figure["ci95"] or (figure["value"], figure["value"]))
        glyphs = self.glyphs
        line = [glyphs.filled] * low + [glyphs.between] * (high - low + 1)
        line[low], line[high] = glyphs.low, glyphs.high
        line[_cell(figure["value"], cells)] = glyphs.here
        return "".join(line)

    def _table(self, first: str, *numbers: str) -> Table:
        from rich import box
        from rich.table import Table

        lines = box.ASCII if self.glyphs is ASCII else box.SIMPLE_HEAD
        table = Table(box=lines, show_edge=False, pad_edge=False)
        table.add_column(first, overflow="fold", min_width=8)
        for name in numbers:
            table.add_column(name, justify="right" if name else "left", no_wrap=True)
        return table


def _section(level: str) -> str:
    """The heading above a figure; empty for figures that need none."""
    return _SECTIONS.get(level, "")


def _cell(value: float, cells: int) -> int:
    return min(cells - 1, max(0, int(value * cells)))


def _number(value: float, unit: str) -> str:
    return f"{value * 100:.1f}" if unit == "fraction" else f"{value:.1f}"


def _percent(rate: float | None) -> str:
    return "" if rate is None else f"{rate * 100:.1f} %"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def _unparsed(unparsed: Mapping[str, Any]) -> str:
    share = f" ({_percent(unparsed['rate'])})" if unparsed["count"] else ""
    return f"{unparsed['count']} unparsed{share}"


def _all_glyphs() -> Iterator[str]:
    glyphs = Glyphs()
    return (getattr(glyphs, name) for name in Glyphs.__slots__)


def _named(unscored: Mapping[str, Any]) -> str:
    """The first questions without a value."""
    first, left = unscored["first"][:_NAMED], unscored["count"] - len(unscored["first"][:_NAMED])
    more = f" and {left} more" if left > 0 else ""
    return f"{', '.join(visible(name, NAME) for name in first)}{more}"


def _can_write(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True
