"""The rows that decide between two rule sets, and how far a figure could still move."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from vlmbench.answers.circular import GroupScore, score_groups
from vlmbench.answers.original.mmmu import DRAWN
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Benchmark, Metric, RuleSet, Run, Sample, Score
from vlmbench.engine.bounds import bounds_of_figure, figures_at_both_ends
from vlmbench.report.published_figure import Figure


@dataclass(frozen=True, slots=True)
class DecidingRow:
    """A row that counts differently under two rule sets."""

    sample: Sample
    answer: str
    scores: Mapping[RuleSet, Score | None]
    """None: the rule set does not see the row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Between a figure and the printed number that it does not round to."""

    units: int | None
    """Fewest questions that would have to count otherwise; None where the figure is no mean of them."""
    of: int
    unparsed: int
    """Rows in which no answer was found, counted as wrong."""
    unscored: int
    """Questions without a value: not answered, failed, or waiting for a judge."""
    drawn: int
    """Rows whose option the authors' own evaluator drew at random: another draw moves the figure."""
    low: float | None
    """In the printed unit, if all those rows were wrong; None where that cannot be computed."""
    high: float | None
    closable: bool
    """Whether the printed number lies between the two."""


def deciding_rows(benchmark: Benchmark, run: Run, one: Figure, other: Figure) -> list[DecidingRow]:
    """The rows that are worth something else under the other rule set, in file order.

    Of circular benchmarks only those of questions that count differently; where the rows of such a question
    are read alike, its first row stands for it with the worth of the whole. Empty where both rule sets read
    every row alike and only count them in another way.
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
    """The rows of questions that are worth something else, or one row for each that has none of its own."""
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
    """What the row's question is worth, with the reason, in place of what the row is worth."""
    found: dict[RuleSet, Score | None] = {}
    for rules, score in row.scores.items():
        group = worth[rules]
        value, reason = (group.value, group.reason) if group else (None, "")
        found[rules] = score and replace(score, value=value, reason=reason)
    return found


def gap_of(benchmark: Benchmark, run: Run, figure: Figure, printed: Decimal) -> Gap:
    """What lies between a figure of one part and the printed number."""
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
    """The fewest units that make up for what is missing, of how many. A circular figure counts questions."""
    circular = benchmark.card.circular and metric.level != "row"
    of = metric.n if circular or metric.rows is None else metric.rows
    mean = metric.moves is None and metric.unit == "fraction"
    return (math.ceil(round(missing * of, 6)) if mean else None), of


def _splits_of(sample: Sample) -> Sequence[str]:
    """The splits a row is in: its own, or the names in its category (POPE)."""
    return [sample.split] if sample.split else sample.categories.get("category", "").split(",")


def _text(run: Run, sample: Sample) -> str:
    response = run.responses.get(sample.id)
    return "" if response is None else response.text
