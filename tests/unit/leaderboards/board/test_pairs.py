"""All pairs of a column at once say what the tests of two runs say, pair by pair."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlmbench.leaderboards.board.bands import bands
from vlmbench.leaderboards.board.pairs import holm_each, pair_tests
from vlmbench.leaderboards.board.scores import Units
from vlmbench.stats import holm, paired_difference

RIGHT_OR_WRONG = st.sampled_from([0.0, 1.0])
CREDIT = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.5, 1.0, 7.25])


def units_of(values: list[float], clusters: list[int] | None = None) -> Units:
    keys = tuple(f"{i:05}" for i in range(len(values)))
    simple = set(values) <= {0, 1} and (clusters is None or len(set(clusters)) == len(keys))
    bits = int.from_bytes(bytes(map(int, values)), "big") if simple else None
    return Units(keys, tuple(values), keys if clusters is None else tuple(clusters), bits)


@st.composite
def columns(draw: st.DrawFn) -> list[Units]:
    size, count = draw(st.integers(1, 18)), draw(st.integers(2, 5))
    clusters = draw(st.none() | st.lists(st.integers(0, 9), min_size=size, max_size=size))
    kind = draw(st.sampled_from([RIGHT_OR_WRONG, CREDIT]))
    drawn = [draw(st.lists(kind, min_size=size, max_size=size)) for _ in range(count)]
    return [units_of(values, clusters) for values in drawn]


@settings(max_examples=80, deadline=None)
@given(columns())
def test_every_pair_is_tested_as_two_runs_are(column: list[Units]) -> None:
    difference, p = pair_tests(column)
    for i, first in enumerate(column):
        for j, second in enumerate(column):
            if i == j:
                continue
            found = paired_difference(first.values, second.values, first.clusters)
            assert difference[i, j] == pytest.approx(found.value, abs=1e-9)
            if found.p is None:
                assert math.isnan(p[i, j])
            else:
                assert p[i, j] == pytest.approx(found.p, rel=1e-7, abs=1e-12)


def test_many_questions_and_many_clusters_agree_too() -> None:
    dice = np.random.default_rng(3)
    right = [units_of([float(x) for x in dice.random(4000) < skill]) for skill in (0.5, 0.53, 0.8, 0.8)]
    credit = [units_of(list(dice.random(900) * top), [i // 3 for i in range(900)]) for top in (1, 0.97, 0.5)]
    for column in (right, credit):
        _, p = pair_tests(column)
        for i in range(len(column)):
            for j in range(i):
                found = paired_difference(column[i].values, column[j].values, column[i].clusters).p
                assert p[i, j] == pytest.approx(found, rel=1e-8)


@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=4, max_size=4))
def test_each_models_tests_are_one_family_for_holm(table: list[list[float]]) -> None:
    adjusted = holm_each(np.array(table))
    for number, row in enumerate(table):
        own = holm([None if other == number else p for other, p in enumerate(row)])
        assert [None if math.isnan(p) else p for p in adjusted[number]] == pytest.approx(own)


def test_a_model_shares_the_places_of_all_it_cannot_be_told_from() -> None:
    """Top beats near on the same questions; noisy differs from both on many, either way."""
    top = [1.0] * 80 + [0.0] * 20
    near = [1.0] * 70 + [0.0] * 30
    noisy = [0.0] * 16 + [1.0] * 53 + [0.0] * 15 + [1.0] * 16
    models = {"top": top, "near": near, "noisy": noisy}
    found = bands({m: sum(v) for m, v in models.items()}, {m: units_of(v) for m, v in models.items()})
    assert {model: (s.band, s.ranks) for model, s in found.items()} == {
        "top": (1, (1, 2)),
        "near": (2, (2, 3)),
        "noisy": (2, (1, 3)),
    }
    assert found["noisy"].leader == "near"


def test_a_band_ends_before_the_first_that_its_best_beats() -> None:
    models = {str(skill): [1.0] * skill + [0.0] * (100 - skill) for skill in (90, 86, 80, 79, 60)}
    found = bands({m: sum(v) for m, v in models.items()}, {m: units_of(v) for m, v in models.items()})
    assert [found[m].band for m in models] == [1, 1, 2, 2, 3]
    assert [found[m].ranks for m in models] == [(1, 2), (1, 3), (2, 4), (3, 4), (5, 5)]
