"""pass@k against every choice of k draws, and spreads against what they are of."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.random import default_rng

from vlmbench.stats import budgets, pass_at, variances

draws_of_one = st.lists(st.booleans(), min_size=1, max_size=9)


@given(draws_of_one, st.data())
def test_pass_at_k_is_the_share_of_choices_with_a_right_draw(draws: list[bool], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(draws)))
    choices = [any(choice) for choice in itertools.combinations(draws, k)]
    assert pass_at(k, len(draws), sum(draws)) == pytest.approx(sum(choices) / len(choices), abs=1e-12)


@given(draws_of_one)
def test_one_draw_is_the_mean_and_all_draws_are_any(draws: list[bool]) -> None:
    n, right = len(draws), sum(draws)
    assert pass_at(1, n, right) == pytest.approx(right / n, abs=1e-12)
    assert pass_at(n, n, right) == float(any(draws))
    chances = [pass_at(k, n, right) for k in range(1, n + 1)]
    assert chances == sorted(chances)


def test_pass_at_k_is_unbiased() -> None:
    """Over many runs of 10 draws that are right one time in five, pass@4 is 1 - 0.8^4."""
    right = default_rng(0).binomial(10, 0.2, size=20_000)
    mean = sum(pass_at(4, 10, int(c)) for c in right) / len(right)
    assert mean == pytest.approx(1 - 0.8**4, abs=0.01)


def test_many_draws_stay_exact() -> None:
    assert pass_at(1000, 4000, 1) == pytest.approx(0.25, abs=1e-12)
    assert pass_at(2048, 4096, 0) == 0


@pytest.mark.parametrize(
    ("draws", "shown"), [(1, [1]), (2, [1, 2]), (3, [1, 2, 3]), (8, [1, 2, 4, 8]), (12, [1, 2, 4, 8, 12])]
)
def test_every_power_of_two_is_shown_and_the_number_of_draws(draws: int, shown: list[int]) -> None:
    assert budgets(draws) == shown


@pytest.mark.parametrize("wrong", [(0, 3, 1), (4, 3, 1), (1, 3, 4), (1, 3, -1)])
def test_impossible_numbers_are_refused(wrong: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="draws"):
        pass_at(*wrong)


def test_the_spread_of_a_simulation_is_found() -> None:
    """Questions with a standard deviation of 0.3, draws around each with 0.5: on average both come out."""
    random = default_rng(1)
    found = []
    for _ in range(200):
        means = random.normal(0, 0.3, size=40)
        found.append(variances([random.normal(mean, 0.5, size=5).tolist() for mean in means]))
    within, between = (sum(each) / len(found) for each in zip(*found, strict=True))
    assert math.sqrt(within) == pytest.approx(0.5, abs=0.01)
    assert math.sqrt(between) == pytest.approx(0.3, abs=0.01)


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=8))
def test_both_parts_make_the_variance_of_the_means(questions: list[list[float]]) -> None:
    within, between = variances(questions)
    means = [sum(values) / 3 for values in questions]
    middle = sum(means) / len(means)
    of_means = sum((mean - middle) ** 2 for mean in means) / (len(means) - 1)
    assert within >= 0
    assert between + within / 3 == pytest.approx(of_means, abs=1e-9)


@pytest.mark.parametrize("too_few", [[[1.0, 0.0]], [[1.0], [0.0]], [[1.0, 0.0], [1.0]]])
def test_one_question_or_one_draw_has_no_spread(too_few: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="two questions of two draws"):
        variances(too_few)
