"""The figures of a run with several draws of each question.

Each draw is one pass over the benchmark and is scored as a run of its own. Of each figure:

    avg@n    its mean over the n passes, under the figure's own name
    pass@k   the mean over questions of the chance that k draws have a right one
    maj@n    the headline of the answers that most draws give, row by row

The unit of every error is the question. Of a figure that is a mean, each unit's mean over draws is one value.
One that is not a mean (F1, MME's points) has the average of what each cluster moves it in each pass. Where
neither is known, its error and interval are the average of those of the passes, which is never too small.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import replace

from vlmbench.answers.majority import Passes, majority_scores
from vlmbench.answers.original import figures_under
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.answers.units import scored_units, values_by_unit
from vlmbench.domain import Benchmark, Metric, RuleSet, Sample
from vlmbench.draws import ScoreSpread
from vlmbench.stats import Estimate, budgets, clustered_mean, mean_chance, mean_over, pass_at, t95, variances

LEVEL = "draws"
"""Of the figures that only a run with several draws has."""


def figures_of_draws(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    passes: Passes,
    figures: Sequence[Sequence[Metric]],
    rules: RuleSet,
) -> tuple[list[Metric], ScoreSpread | None]:
    """Every figure over all draws, those of draws at the end, and the spread; `figures` are by pass."""
    table = averaged(figures)
    if table[0].value is None:
        return table, None
    circular, draws = benchmark.card.circular, len(passes)
    units = [scored_units(scores, rules, samples, circular=circular) for scores in passes]
    values = values_by_unit(units)
    clusters = [unit.cluster for unit in units[0] if unit.key in values]
    rows = sum(len(unit.rows) for unit in units[0] if unit.key in values)
    known = [values[unit.key] for unit in units[0] if unit.key in values]
    more = [replace(table[0], name=f"avg@{draws}", level=LEVEL)]
    more += [replace(figure, rows=rows, split=table[0].split) for figure in passing(known, clusters)]
    voted = {score.id: score for score in majority_scores(passes)}
    seen = [sample for sample in samples_as_read(samples, rules) if sample.id in voted]
    most = figures_under(benchmark, seen, [voted[sample.id] for sample in seen], rules)[0]
    return [*table, *more, replace(most, name=f"maj@{draws}", level=LEVEL)], spread_of(known)


def spread_of(questions: Sequence[Sequence[float]]) -> ScoreSpread | None:
    """How far draws and questions lie apart; None of a single question."""
    if len(questions) < 2:
        return None
    within, between = variances(questions)
    return ScoreSpread(
        within=math.sqrt(within), between=math.sqrt(max(0.0, between)), questions=len(questions)
    )


def passing(questions: Sequence[Sequence[float]], clusters: Sequence[Hashable]) -> list[Metric]:
    """pass@1, pass@2, pass@4, …; nothing where questions are not right or wrong."""
    if not questions or not all(value in (0, 1) for values in questions for value in values):
        return []
    draws, right = len(questions[0]), [round(sum(values)) for values in questions]
    first = Metric(name="pass@1", split=None, level=LEVEL, value=None, n=0)
    return [
        _by_terms(first, list(zip(*questions, strict=True)), clusters, 1.0),
        *(
            _as_figure(
                replace(first, name=f"pass@{k}"), mean_chance(chances, clusters, len(right) * draws / k), 1.0
            )
            for k, chances in ((k, [pass_at(k, draws, count) for count in right]) for k in budgets(draws)[1:])
        ),
    ]


def averaged(figures: Sequence[Sequence[Metric]]) -> list[Metric]:
    """Each figure of the passes, in their order; without a value where a pass has none."""
    found: dict[Hashable, list[Metric]] = {}
    for table in figures:
        for metric in table:
            found.setdefault((metric.level, metric.split, metric.name), []).append(metric)
    return [_average(same, len(figures)) for same in found.values()]


def _average(same: Sequence[Metric], draws: int) -> Metric:
    values = [metric.value for metric in same if metric.value is not None]
    if len(values) < draws:
        return replace(same[0], value=None, n=0, stderr=None, ci95=None, rows=0, moves=None, terms=None)
    plain = replace(same[0], value=math.fsum(values) / draws, n=min(metric.n for metric in same))
    terms = [metric.terms for metric in same if metric.terms is not None]
    if len(terms) == draws and all(list(clusters) == list(terms[0][1]) for _, clusters, _ in terms):
        return replace(_by_terms(plain, [values for values, _, _ in terms], *terms[0][1:]), value=plain.value)
    if all(metric.moves for metric in same):
        return _by_moves(plain, same)
    return _as_wide(plain, same)


def _by_terms(
    plain: Metric, passes: Sequence[Sequence[float]], clusters: Sequence[Hashable], scale: float
) -> Metric:
    """The mean over units of their means over draws."""
    draws = len(passes)
    means = [math.fsum(each) / draws for each in zip(*passes, strict=True)]
    every = [value for values in passes for value in values]
    if not all(value in (0, 1) for value in every) or all(mean in (0, 1) for mean in means):
        return _metric(plain, means, clusters, scale)
    # The same error; but shares near 0 and 1, or alike in all units, keep an interval that fits them.
    return _as_figure(plain, clustered_mean(every, list(clusters) * draws), scale)


def _metric(
    like: Metric, values: Sequence[float], clusters: Sequence[Hashable], scale: float = 1.0
) -> Metric:
    """The mean of these values, as a figure."""
    return _as_figure(like, mean_over(values, clusters), scale)


def _as_figure(like: Metric, found: Estimate, scale: float) -> Metric:
    ends = found.ci95
    return replace(
        like,
        value=found.value * scale,
        n=found.n,
        stderr=None if found.stderr is None else found.stderr * scale,
        ci95=None if ends is None else (ends[0] * scale, ends[1] * scale),
        terms=None,
    )


def _by_moves(plain: Metric, same: Sequence[Metric]) -> Metric:
    """The delta method with the average of what each cluster moves the figure."""
    moves: dict[Hashable, float] = {}
    for metric in same:
        for cluster, move in (metric.moves or {}).items():
            moves[cluster] = moves.get(cluster, 0.0) + move / len(same)
    count, value = len(moves), plain.value or 0.0
    error = clustered_mean([move * count for move in moves.values()], list(moves)).stderr
    ends = [metric.ci95 for metric in same if metric.ci95 is not None]
    if not error or not ends:
        return replace(plain, stderr=None, ci95=None, moves=moves)
    half = t95(count - 1) * error
    # No pass has an interval past the figure's own ends, and no average is wider than its widest part.
    low, high = min(low for low, _ in ends), max(high for _, high in ends)
    return replace(plain, stderr=error, ci95=(max(low, value - half), min(high, value + half)), moves=moves)


def _as_wide(plain: Metric, same: Sequence[Metric]) -> Metric:
    """The error of a mean is at most the mean of the errors."""
    errors = [metric.stderr for metric in same if metric.stderr is not None]
    ends = [metric.ci95 for metric in same if metric.ci95 is not None]
    if len(errors) < len(same) or len(ends) < len(same):
        return replace(plain, stderr=None, ci95=None, moves=None, terms=None)
    low, high = (math.fsum(each) / len(same) for each in zip(*ends, strict=True))
    return replace(plain, stderr=math.fsum(errors) / len(same), ci95=(low, high), moves=None, terms=None)
