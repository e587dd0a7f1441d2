"""Paired tests against reference libraries, and against what they promise: 5 of 100 false alarms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import Generator, default_rng
from scipy import stats as reference
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower

from vlmbench.stats import (
    Difference,
    clustered_difference,
    holm,
    mcnemar,
    paired_difference,
    paired_proportions,
    power,
    smallest_difference,
)
from vlmbench.stats.distributions import t_beyond

TRIALS = 4000
COUNTS = st.integers(0, 60)


@pytest.mark.parametrize(("better", "worse"), [(0, 1), (5, 0), (6, 0), (3, 9), (40, 61), (700, 801), (9, 9)])
def test_mcnemar_equals_the_reference(better: int, worse: int) -> None:
    expected = reference_mcnemar([[10, better], [worse, 10]], exact=True).pvalue
    assert mcnemar(better, worse) == pytest.approx(expected, abs=1e-11)


@given(COUNTS, COUNTS)
def test_mid_p_counts_the_split_itself_by_half(better: int, worse: int) -> None:
    half = reference.binom.pmf(min(better, worse), better + worse, 0.5)
    expected = mcnemar(better, worse) - half if better != worse else 1.0
    assert mcnemar(better, worse, mid_p=True) == pytest.approx(expected, abs=1e-9)


def test_no_unit_that_differs_is_no_evidence() -> None:
    found = paired_proportions(0, 0, 50)
    assert (found.value, found.p) == (0.0, 1.0)
    low, high = interval(found)
    assert -0.06 < low < 0 < high < 0.06


@pytest.mark.parametrize("freedom", [1, 2, 7, 30, 99, 1163])
@pytest.mark.parametrize("t", [0.0, 0.3, 1.0, 1.98, 4.5, 30.0])
def test_t_tails_equal_the_reference(t: float, freedom: int) -> None:
    assert t_beyond(t, freedom) == pytest.approx(2 * reference.t.sf(t, freedom), rel=1e-9, abs=1e-15)


@given(st.floats(0, 60), st.integers(1, 4000))
def test_any_t_tail_equals_the_reference(t: float, freedom: int) -> None:
    assert t_beyond(t, freedom) == pytest.approx(2 * reference.t.sf(t, freedom), rel=1e-7, abs=1e-15)


def test_clustered_differences_equal_a_regression_on_a_constant() -> None:
    draw = default_rng(8)
    clusters = draw.integers(0, 40, 150)
    first, second = draw.random(150), draw.random(150)
    fit = OLS(second - first, np.ones(150)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    found = clustered_difference(first.tolist(), second.tolist(), clusters.tolist())
    assert (found.value, found.stderr) == pytest.approx((fit.params[0], fit.bse[0]))
    assert found.p == pytest.approx(fit.pvalues[0], abs=1e-6)
    assert interval(found) == pytest.approx(tuple(fit.conf_int()[0]), abs=1e-4)


def test_rows_of_their_own_equal_a_paired_t_test() -> None:
    draw = default_rng(4)
    first, second = draw.random(60), draw.random(60)
    found = clustered_difference(first.tolist(), second.tolist(), range(60))
    assert found.p == pytest.approx(reference.ttest_rel(second, first).pvalue, abs=1e-9)


def test_few_clusters_that_differ_are_tested_by_every_flip_of_their_signs() -> None:
    # Four of two hundred, all for the better: t alone would be sure (p 0.046); the signs are not.
    first, second = [0.0] * 200, [1.0] * 4 + [0.0] * 196
    found = clustered_difference(first, second, [i // 2 for i in range(200)])
    flips = reference.permutation_test(
        [np.array([2.0, 2.0])], np.sum, permutation_type="samples", alternative="two-sided"
    )
    assert found.p == pytest.approx(flips.pvalue)
    assert clustered_difference(first, second, range(200)).p == 0.125


@pytest.mark.parametrize(
    "values",
    [
        [],
        [0.04],
        [None],
        [0.01, 0.04, 0.03],
        [0.5, None, 0.001, 0.5, 0.02],
        [0.0, 1.0, 0.012, 0.013, 0.9, None],
    ],
)
def test_holm_equals_the_reference(values: list[float | None]) -> None:
    # Few cases: the reference collects garbage at every call, which takes long in a large process.
    tested = [p for p in values if p is not None]
    expected = iter(multipletests(tested, method="holm")[1] if tested else ())
    adjusted = holm(values)
    assert [p is None for p in adjusted] == [p is None for p in values]
    for p in adjusted:
        if p is not None:
            assert p == pytest.approx(next(expected), abs=1e-12)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lowers_nothing(values: list[float]) -> None:
    adjusted = [p for p in holm(values) if p is not None]
    assert all(before <= after <= 1 for before, after in zip(values, adjusted, strict=True))
    pairs = sorted(zip(values, adjusted, strict=True))
    assert [after for _, after in pairs] == sorted(adjusted)


@pytest.mark.parametrize("difference", [0.0, 0.01, 0.05, 0.2])
def test_power_equals_the_reference(difference: float) -> None:
    # Two samples of 2 with spread s have a difference with error s.
    expected = NormalIndPower().power(difference / 0.03, 2, 0.05, ratio=1)
    assert power(difference, 0.03) == pytest.approx(expected, abs=1e-6)


def test_the_smallest_difference_is_found_four_times_of_five() -> None:
    assert power(smallest_difference(0.02), 0.02) == pytest.approx(0.8, abs=1e-3)
    assert smallest_difference(0.02, freedom=5) > smallest_difference(0.02)


def interval(found: Difference) -> tuple[float, float]:
    assert found.ci95 is not None
    return found.ci95


def holds_zero(found: Difference) -> bool:
    low, high = interval(found)
    return low <= 0 <= high


@given(COUNTS, COUNTS, st.integers(1, 3000))
def test_an_exact_test_and_its_interval_never_disagree(better: int, worse: int, same: int) -> None:
    found = paired_proportions(better, worse, better + worse + same)
    assert holds_zero(found) is not found.significant
    low, high = interval(found)
    assert -1 <= low <= found.value <= high <= 1


ROWS = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 15)), min_size=2, max_size=40)


@given(ROWS)
def test_a_clustered_test_and_its_interval_never_disagree(rows: list[tuple[float, float, int]]) -> None:
    first, second, clusters = (list(column) for column in zip(*rows, strict=True))
    found = clustered_difference(first, second, clusters)
    if found.ci95 is None:
        assert len(set(clusters)) == 1
        return
    assert holds_zero(found) is not found.significant or min(map(abs, interval(found))) < 1e-4
    swapped = clustered_difference(second, first, clusters)
    assert (swapped.value, swapped.p) == pytest.approx((-found.value, found.p))


@pytest.mark.parametrize("groups", [2, 5, 6, 40])
def test_clusters_that_all_differ_alike_count_once_each(groups: int) -> None:
    found = clustered_difference([0.0] * groups * 3, [1.0] * groups * 3, [i // 3 for i in range(groups * 3)])
    assert found.p == pytest.approx(mcnemar(groups, 0))
    assert found.significant is (groups >= 6)


def test_one_cluster_alone_proves_nothing() -> None:
    found = clustered_difference([0.0, 1.0], [1.0, 1.0], [7, 7])
    assert (found.value, found.p, found.ci95) == (0.5, None, None)
    assert found.significant is False


def test_the_test_follows_the_values() -> None:
    assert paired_difference([0, 1, 1], [1, 1, 0], "abc").test == "McNemar exact"
    assert paired_difference([0, 1, 1], [1, 1, 0], "aab").test == "clustered t"
    assert paired_difference([0, 0.5, 1], [1, 1, 0], "abc").test == "clustered t"


def test_nothing_and_nonsense_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        clustered_difference([], [], [])
    with pytest.raises(ValueError, match="finite"):
        clustered_difference([math.nan], [0.0], [0])
    with pytest.raises(ValueError, match="of 3"):
        paired_proportions(3, 1, 3)


def clustered_pairs(draw: Generator, groups: int, shift: float = 0.0) -> tuple[list[float], list[float]]:
    """Two runs over questions of four rows. A row shares its question's fate four times of five."""

    def fates(p: float) -> list[float]:
        fate = np.repeat(draw.random(groups) < p, 4)
        return np.where(draw.random(4 * groups) < 0.8, fate, draw.random(4 * groups) < p).tolist()  # type: ignore[no-any-return]

    return list(map(float, fates(0.6))), list(map(float, fates(0.6 + shift)))


def alarms(found: list[Difference]) -> float:
    return sum(f.significant for f in found) / len(found)


@pytest.mark.parametrize("groups", [60, pytest.param(250, marks=pytest.mark.slow)])
def test_5_of_100_clustered_tests_alarm_without_cause_where_naive_ones_fail(groups: int) -> None:
    draw = default_rng(groups)
    clusters = [i // 4 for i in range(4 * groups)]
    tables = [clustered_pairs(draw, groups) for _ in range(TRIALS // 2)]
    assert 0.04 <= alarms([clustered_difference(a, b, clusters) for a, b in tables]) <= 0.06
    assert alarms([paired_difference(a, b, range(4 * groups)) for a, b in tables]) > 0.15


@pytest.mark.parametrize(("n", "apart"), [(300, 0.2), (1164, 0.1)])
def test_mcnemar_alarms_at_most_5_of_100_times_without_cause(n: int, apart: float) -> None:
    draw = default_rng(n)
    split = draw.multinomial(n, [apart / 2, apart / 2, 1 - apart], TRIALS)
    exact = alarms([paired_proportions(int(b), int(c), n) for b, c, _ in split])
    middle = alarms([paired_proportions(int(b), int(c), n, mid_p=True) for b, c, _ in split])
    assert 0.025 <= exact <= 0.05
    assert 0.04 <= middle <= 0.06


@pytest.mark.parametrize(("n", "up", "down"), [(120, 0.1, 0.1), (300, 0.16, 0.1), (1164, 0.03, 0.06)])
def test_95_of_100_intervals_hold_the_true_difference(n: int, up: float, down: float) -> None:
    split = default_rng(n).multinomial(n, [up, down, 1 - up - down], TRIALS)
    found = [interval(paired_proportions(int(b), int(c), n)) for b, c, _ in split]
    assert 0.94 <= sum(low <= up - down <= high for low, high in found) / TRIALS <= 0.98


def test_the_smallest_difference_of_a_run_is_found_about_four_times_of_five() -> None:
    n, apart = 600, 0.15
    shift = paired_proportions(int(n * apart / 2), int(n * apart / 2), n).smallest
    assert shift is not None
    shares = [apart / 2 + shift / 2, apart / 2 - shift / 2, 1 - apart]
    split = default_rng(1).multinomial(n, shares, TRIALS)
    assert 0.75 <= alarms([paired_proportions(int(b), int(c), n) for b, c, _ in split]) <= 0.86
