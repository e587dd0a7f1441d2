"""Intervals against a reference library, and against what they promise: 95 of 100 hold the truth."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from scipy import stats as reference
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import proportion_confint

from vlmbench.stats import Estimate, clustered_mean, mean_chance, mean_of, pass_at, t95, wilson

TRIALS = 4000
TOO_FEW = 0.85


def ones(successes: int, n: int) -> list[float]:
    return [1.0] * successes + [0.0] * (n - successes)


def interval(estimate: Estimate) -> tuple[float, float]:
    assert estimate.ci95 is not None
    return estimate.ci95


@pytest.mark.parametrize(
    ("successes", "n"), [(0, 1), (1, 1), (0, 40), (40, 40), (13, 50), (99, 99), (3, 5000)]
)
def test_wilson_equals_the_reference(successes: int, n: int) -> None:
    low, high = proportion_confint(successes, n, method="wilson")
    assert wilson(successes, n) == pytest.approx((low, high), abs=1e-12)


@pytest.mark.parametrize(("successes", "n"), [(13, 50), (0, 1000), (1000, 1000), (985, 1000), (29, 1000)])
def test_few_units_or_figures_near_the_ends_have_wilson_intervals(successes: int, n: int) -> None:
    assert interval(mean_of(ones(successes, n))) == pytest.approx(wilson(successes, n))


@pytest.mark.parametrize(("successes", "n"), [(50, 100), (715, 1164), (970, 1000)])
def test_many_units_in_the_middle_have_normal_intervals(successes: int, n: int) -> None:
    low, high = proportion_confint(successes, n, method="normal")
    estimate = mean_of(ones(successes, n))
    assert interval(estimate) == pytest.approx((low, high), abs=1e-12)
    assert (estimate.value, estimate.n) == (successes / n, n)


def test_a_perfect_score_is_not_certain() -> None:
    low, high = interval(mean_of(ones(20, 20)))
    assert high == 1.0
    assert low == pytest.approx(0.839, abs=0.001)


def test_fractions_have_a_t_interval() -> None:
    values = [0.1, 0.5, 0.55, 0.7, 0.9]
    low, high = reference.t.interval(0.95, 4, loc=np.mean(values), scale=reference.sem(values))
    assert interval(mean_of(values)) == pytest.approx((low, high), abs=1e-6)


def test_an_interval_of_fractions_stays_between_0_and_1() -> None:
    assert interval(mean_of([0.9, 1.0, 1.0]))[1] == 1.0


def test_an_interval_of_points_may_pass_1() -> None:
    assert interval(mean_of([60.0, 80.0, 100.0]))[1] > 100


def test_one_fraction_alone_has_no_error_bar() -> None:
    assert mean_of([0.4]) == Estimate(0.4, None, None, 1)


def test_nothing_has_no_mean() -> None:
    with pytest.raises(ValueError, match="at least one"):
        mean_of([])
    with pytest.raises(ValueError, match="finite"):
        mean_of([math.nan])


@pytest.mark.parametrize("freedom", [1, 2, 5, 20, 21, 30, 100, 5000])
def test_t_points_equal_the_reference(freedom: int) -> None:
    assert t95(freedom) == pytest.approx(reference.t.ppf(0.975, freedom), abs=1e-5)


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 6)), min_size=2, max_size=40))
def test_clustered_errors_equal_a_regression_on_a_constant(rows: list[tuple[float, int]]) -> None:
    values, clusters = zip(*rows, strict=True)
    estimate = clustered_mean(values, clusters)
    if len(set(clusters)) < 2:
        assert estimate.stderr is None
        return
    fit = OLS(np.array(values), np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": np.array(clusters)}
    )
    assert estimate.value == pytest.approx(fit.params[0], abs=1e-9)
    assert estimate.stderr == pytest.approx(fit.bse[0], abs=1e-9)


def test_clustered_intervals_of_fractions_equal_the_reference() -> None:
    draw = default_rng(5)
    clusters = draw.integers(0, 12, 80)
    values = draw.normal(3, 1, 80) + clusters
    fit = OLS(values, np.ones(80)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    estimate = clustered_mean(values.tolist(), clusters.tolist())
    assert interval(estimate) == pytest.approx(tuple(fit.conf_int()[0]), abs=1e-4)
    assert estimate.n == len(set(clusters.tolist()))


def test_clusters_of_one_are_independent_values() -> None:
    values = [0.2, 0.9, 0.4, 0.35]
    alone, clustered = mean_of(values), clustered_mean(values, range(4))
    assert clustered.stderr == pytest.approx(alone.stderr)
    assert interval(clustered) == pytest.approx(interval(alone))


def test_clusters_that_all_agree_count_once_each() -> None:
    low, _ = interval(clustered_mean(ones(400, 400), [i // 4 for i in range(400)]))
    assert low < wilson(400, 400)[0]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 9)), min_size=1, max_size=60))
def test_intervals_of_scores_hold_the_score_and_stay_between_0_and_1(rows: list[tuple[bool, int]]) -> None:
    values = [float(v) for v, _ in rows]
    for estimate in (mean_of(values), clustered_mean(values, [c for _, c in rows])):
        if estimate.ci95 is not None:
            low, high = estimate.ci95
            assert 0 <= low <= estimate.value + 1e-12
            assert estimate.value - 1e-12 <= high <= 1


def share(hits: list[bool]) -> float:
    return sum(hits) / len(hits)


def holds(estimate: Estimate, truth: float) -> bool:
    low, high = interval(estimate)
    return low <= truth <= high


@pytest.mark.parametrize(
    ("n", "p"),
    [(60, 0.5), (99, 0.8), (100, 0.5), (150, 0.9), (300, 0.05), (400, 0.7), (1164, 0.614), (1784, 0.98)],
)
def test_95_of_100_intervals_hold_the_true_score(n: int, p: float) -> None:
    draws = default_rng(n).binomial(n, p, TRIALS).tolist()
    right = {k: holds(mean_of(ones(k, n)), p) for k in set(draws)}
    assert 0.93 <= share([right[k] for k in draws]) <= 0.97


@pytest.mark.parametrize("n", [10, 30])
def test_95_of_100_intervals_of_few_units_hold_the_true_score(n: int) -> None:
    # With few units the coverage at one given score jumps; the promise holds over all of them.
    draw = default_rng(n)
    truths = draw.random(TRIALS)
    draws = draw.binomial(n, truths).tolist()
    hits = [holds(mean_of(ones(k, n)), p) for k, p in zip(draws, truths.tolist(), strict=True)]
    assert 0.93 <= share(hits) <= 0.97


@pytest.mark.parametrize("n", [30, 200])
def test_95_of_100_intervals_hold_the_true_mean_of_fractions(n: int) -> None:
    table = default_rng(n).beta(2, 3, (TRIALS // 2, n))
    assert 0.93 <= share([holds(mean_of(row), 0.4) for row in table.tolist()]) <= 0.97


def clustered_table(draw: Generator, groups: int, p: float) -> tuple[list[float], list[int]]:
    """Questions of two to four rows whose rows mostly share their fate."""
    sizes = draw.integers(2, 5, groups)
    clusters = np.repeat(np.arange(groups), sizes)
    fate = draw.random(groups) < p
    follows = draw.random(len(clusters)) < 0.8
    values = np.where(follows, fate[clusters], draw.random(len(clusters)) < p)
    return values.astype(float).tolist(), clusters.tolist()


@pytest.mark.parametrize(("groups", "p"), [(40, 0.5), (60, 0.8), (150, 0.6), (250, 0.93)])
def test_95_of_100_clustered_intervals_hold_the_truth_where_naive_ones_fail(groups: int, p: float) -> None:
    draw = default_rng(groups)
    tables = [clustered_table(draw, groups, p) for _ in range(TRIALS // 2)]
    clustered = share([holds(clustered_mean(values, clusters), p) for values, clusters in tables])
    naive = share([holds(mean_of(values), p) for values, _ in tables])
    assert 0.93 <= clustered <= 0.97
    assert naive < TOO_FEW


def test_the_standard_error_is_the_spread_of_repeated_scores() -> None:
    draw = random.Random(3)
    scores = [mean_of([float(draw.random() < 0.3) for _ in range(200)]) for _ in range(500)]
    spread = np.std([s.value for s in scores])
    assert np.mean([s.stderr for s in scores if s.stderr]) == pytest.approx(spread, rel=0.1)


@pytest.mark.parametrize(("questions", "draws", "k"), [(12, 6, 4), (50, 8, 2)])
def test_intervals_of_pass_at_k_hold_the_truth_near_1(questions: int, draws: int, k: int) -> None:
    """Of questions right by chances of Beta(2, 1); Student's t holds it 80 times of 100."""
    random, held, truth = default_rng(7), 0, 1 - 2 / ((k + 1) * (k + 2))
    for _ in range(600):
        right = random.binomial(draws, random.beta(2, 1, questions))
        chances = [pass_at(k, draws, int(count)) for count in right]
        low, high = interval(mean_chance(chances, range(questions), questions * draws / k))
        held += low <= truth <= high
    assert held / 600 > 0.93
