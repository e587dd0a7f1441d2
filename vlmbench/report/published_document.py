"""`published` in results.json: which rule sets give a printed figure, and which rows decide between them.

Its schema is `$defs/published` of `results.schema.json`. Texts of models and files are shortened and made
printable, so the object can be shown as it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from vlmbench.answers.circular import GroupScore, score_groups
from vlmbench.answers.original.mmmu import DRAWN
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Benchmark, Metric, RuleSet, Run, Sample, Score
from vlmbench.engine.bounds import bounds_of_figure, figures_at_both_ends
from vlmbench.plain_text import visible
from vlmbench.report.published_figure import ComparedFigure, figures_beside, nearest_two, parse_printed
from vlmbench.report.results import finite

ROUNDING = "half up and half to even both count, at the printed number of decimals"
ANSWER, REFERENCE = 80, 60
"""Most characters kept of each."""


def published_document(benchmark: Benchmark, run: Run, text: str) -> dict[str, Any]:
    """Every rule set's figures beside the printed one, the two nearest, and the rows between those two."""
    printed = parse_printed(text)
    figures = figures_beside(run.metrics, printed)
    # Among equally near ones the headline's rule set comes first: sorting is stable.
    pair = nearest_two(sorted(figures, key=lambda figure: figure.rules != run.spec.rules))
    first, second = pair if pair else (None, None)
    gap = None
    if first is not None and first.rounds is None and len(printed.parts) == 1:
        gap = gap_of(benchmark, run, first, printed.parts[0])
    rows = deciding_rows(benchmark, run, first, second) if first and second else []
    return {
        "printed": printed.text,
        "rounding": ROUNDING,
        "figures": [_figure(figure) for figure in figures],
        "matches": [_named(figure) for figure in figures if figure.rounds],
        "nearest": [_named(figure) for figure in (first, second) if figure],
        "rows": [_row(row) for row in rows],
        "gap": _gap(gap) if gap else None,
    }


def _named(figure: ComparedFigure) -> dict[str, Any]:
    return {"rules": figure.rules, "name": figure.name}


def _figure(figure: ComparedFigure) -> dict[str, Any]:
    return {
        **_named(figure),
        "level": figure.metrics[0].level,
        "shown": finite(figure.shown),
        "rounds": figure.rounds,
        "distance": figure.distance,
    }


def _row(row: DecidingRow) -> dict[str, Any]:
    return {
        "id": visible(row.sample.id),
        "answer": visible(row.answer, ANSWER),
        "reference": visible(" | ".join(row.sample.references), REFERENCE),
        "read": {rules: _reading(score) for rules, score in row.scores.items()},
    }


def _reading(score: Score | None) -> dict[str, Any] | None:
    """What a rule set found, and its score; None where it skips the row."""
    if score is None:
        return None
    found = None if score.extracted is None else visible(score.extracted, REFERENCE)
    return {"found": found, "value": finite(score.value), "reason": visible(score.reason)}


def _gap(gap: Gap) -> dict[str, Any]:
    bounds = None if gap.low is None or gap.high is None else [gap.low, gap.high]
    return {
        "units": gap.units,
        "of": gap.of,
        "unparsed": gap.unparsed,
        "unscored": gap.unscored,
        "drawn": gap.drawn,
        "bounds": finite(bounds),
        "closable": gap.closable,
    }


@dataclass(frozen=True, slots=True)
class DecidingRow:
    """A row whose score differs between two rule sets."""

    sample: Sample
    answer: str
    scores: Mapping[RuleSet, Score | None]
    """None: the rule set skips the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What separates a figure from the printed number that it does not round to."""

    units: int | None
    """Fewest questions that would have to score differently; None where the figure is not a mean of them."""
    of: int
    unparsed: int
    """Rows without a recognised answer, counted as wrong."""
    unscored: int
    """Questions without a score: not answered, failed, or waiting for a judge."""
    drawn: int
    """Rows whose option the authors' evaluator drew at random: another draw moves the figure."""
    low: float | None
    """The figure, in the printed unit, if all those rows were wrong; None where it cannot be computed."""
    high: float | None
    closable: bool
    """Whether the printed number lies between `low` and `high`."""


def deciding_rows(
    benchmark: Benchmark, run: Run, one: ComparedFigure, other: ComparedFigure
) -> list[DecidingRow]:
    """The rows whose score differs between the rule sets of two figures, in file order.

    In a circular benchmark only rows of questions whose score differs; where the rows themselves score alike,
    the first one stands for its question. Empty where both rule sets score every row alike and only count
    them differently.
    """
    by_rules = {f.rules: {score.id: score for score in run.scores[f.rules]} for f in (one, other)}
    rows = [
        DecidingRow(sample, _text(run, sample), {rules: by_rules[rules].get(sample.id) for rules in by_rules})
        for sample in run.samples
        if one.metrics[0].level != "split" or one.metrics[0].split in _splits_of(sample)
    ]
    if benchmark.card.circular and one.metrics[0].level != "row":
        return _of_questions(run, rows, one.rules, other.rules)
    return [row for row in rows if _decides(row)]


def _decides(row: DecidingRow) -> bool:
    return len({None if score is None else score.value for score in row.scores.values()}) > 1


def _of_questions(run: Run, rows: Sequence[DecidingRow], *rule_sets: RuleSet) -> list[DecidingRow]:
    """The rows of questions whose score differs, or one row where no single row differs."""
    groups = {rules: _groups(run, rules) for rules in rule_sets}
    kept: list[DecidingRow] = []
    for key, members in _by_group(rows).items():
        worth = {rules: groups[rules].get(key) for rules in rule_sets}
        if len({None if group is None else group.value for group in worth.values()}) > 1:
            own = [row for row in members if _decides(row)]
            kept += own or [replace(members[0], scores=_of_whole(members[0], worth))]
    return kept


def _groups(run: Run, rules: RuleSet) -> dict[str, GroupScore]:
    scored = score_groups(samples_as_read(run.samples, rules), run.scores[rules], rules)
    return {group.base.group: group for group in scored}


def _by_group(rows: Sequence[DecidingRow]) -> dict[str, list[DecidingRow]]:
    groups: dict[str, list[DecidingRow]] = {}
    for row in rows:
        groups.setdefault(row.sample.group, []).append(row)
    return groups


def _of_whole(row: DecidingRow, worth: Mapping[RuleSet, GroupScore | None]) -> dict[RuleSet, Score | None]:
    """The score and reason of the row's question in place of the row's own."""
    found: dict[RuleSet, Score | None] = {}
    for rules, score in row.scores.items():
        group = worth[rules]
        value, reason = (group.value, group.reason) if group else (None, "")
        found[rules] = score and replace(score, value=value, reason=reason)
    return found


def gap_of(benchmark: Benchmark, run: Run, figure: ComparedFigure, printed: Decimal) -> Gap:
    """The gap between a figure of one part and the printed number."""
    metric, scores = figure.metrics[0], run.scores[figure.rules]
    unparsed = sum(score.value is not None and score.extracted is None for score in scores)
    scale = figure.shown[0] / metric.value if metric.value else 1.0
    ends = figures_at_both_ends(benchmark, run.samples, scores, figure.rules)
    bounds = bounds_of_figure(ends, metric) if ends else None
    low, high = (None, None) if bounds is None else (bounds[0] * scale, bounds[1] * scale)
    half = 0.5 * 10.0 ** int(printed.as_tuple().exponent)
    units, of = _units(benchmark, metric, max(0.0, figure.distance - half) / scale)
    return Gap(
        units=units,
        of=of,
        unparsed=unparsed,
        unscored=len(run.unscored.get(figure.rules, {})),
        drawn=sum(score.reason == DRAWN for score in scores),
        low=low,
        high=high,
        closable=low is not None and high is not None and low - half <= float(printed) <= high + half,
    )


def _units(benchmark: Benchmark, metric: Metric, missing: float) -> tuple[int | None, int]:
    """The fewest units that close the gap, and how many there are; a circular figure counts questions."""
    circular = benchmark.card.circular and metric.level != "row"
    of = metric.n if circular or metric.rows is None else metric.rows
    mean = metric.moves is None and metric.unit == "fraction"
    return (math.ceil(round(missing * of, 6)) if mean else None), of


def _splits_of(sample: Sample) -> Sequence[str]:
    """The splits of a row: its own, or the names in its category (POPE)."""
    return [sample.split] if sample.split else sample.categories.get("category", "").split(",")


def _text(run: Run, sample: Sample) -> str:
    response = run.responses.get(sample.id)
    return "" if response is None else response.text
