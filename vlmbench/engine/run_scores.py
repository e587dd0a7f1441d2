"""Scores and figures of a whole run, whether its questions have one answer each or several."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlmbench.answers.majority import combined
from vlmbench.domain import Benchmark, Response, RuleSet, Sample
from vlmbench.draws import Draws, ScoreSpread, passes
from vlmbench.engine.asking import RunPlan
from vlmbench.engine.bounds import bounds_of, unscored_of
from vlmbench.engine.draw_figures import figures_of_draws
from vlmbench.engine.judging import Judge
from vlmbench.engine.judgments import Judgments
from vlmbench.engine.scoring import Metrics, Scores, score_under_all

Bounds = tuple[float, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunScores:
    """What the answers of a run are worth."""

    scores: Scores
    metrics: Metrics
    unscored: Mapping[RuleSet, Mapping[str, str]]
    bounds: Bounds
    draws: Draws | None = None


def scores_of_run(
    benchmark: Benchmark,
    plan: RunPlan,
    responses: Mapping[str, Response],
    rules: RuleSet,
    judge: Judge | None = None,
    judgments: Judgments | None = None,
) -> RunScores:
    """Each draw is scored as a run of its own; `rules` is the rule set of the headline."""
    samples = plan.samples
    by_draw = [responses] if plan.draws == 1 else passes(responses, (s.id for s in samples), plan.draws)
    each = [_one_pass(benchmark, samples, answers, rules, judge, judgments) for answers in by_draw]
    return each[0] if plan.draws == 1 else _together(benchmark, samples, each, rules)


def _one_pass(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    responses: Mapping[str, Response],
    rules: RuleSet,
    judge: Judge | None,
    judgments: Judgments | None,
) -> RunScores:
    scores, metrics = score_under_all(benchmark, samples, responses, judge, judgments=judgments, first=rules)
    return RunScores(
        scores=scores,
        metrics=metrics,
        unscored={rules: unscored_of(benchmark, samples, scores[rules], rules) for rules in scores},
        bounds=bounds_of(benchmark, samples, scores[rules], rules),
    )


def _together(
    benchmark: Benchmark, samples: Sequence[Sample], each: Sequence[RunScores], headline: RuleSet
) -> RunScores:
    scores: Scores = {}
    metrics: Metrics = {}
    unscored: dict[RuleSet, Mapping[str, str]] = {}
    spread: dict[RuleSet, ScoreSpread] = {}
    for rules in each[0].scores:
        of_draws = [one.scores[rules] for one in each]
        tables = [one.metrics[rules] for one in each]
        figures, found = figures_of_draws(benchmark, samples, of_draws, tables, rules)
        scores[rules], metrics[rules] = tuple(combined(of_draws)), tuple(figures)
        unscored[rules] = {i: why for one in reversed(each) for i, why in one.unscored[rules].items()}
        if found is not None:
            spread[rules] = found
    return RunScores(
        scores=scores,
        metrics=metrics,
        unscored=unscored,
        bounds=_mean_bounds(each, headline),
        draws=Draws(scores=tuple(one.scores for one in each), spread=spread),
    )


def _mean_bounds(each: Sequence[RunScores], rules: RuleSet) -> Bounds:
    """Over the draws; one that leaves no row open has its headline at both ends."""
    ends = []
    for one in each:
        value = one.metrics[rules][0].value
        if one.bounds is None and value is None:
            return None
        ends.append(one.bounds or (value or 0.0, value or 0.0))
    low, high = (math.fsum(sides) / len(ends) for sides in zip(*ends, strict=True))
    return None if all(one.bounds is None for one in each) else (low, high)
