"""Figures beside a printed one: how rounding, ties and parts are read, and which two are the nearest."""

from __future__ import annotations

from decimal import Decimal

import pytest
from samples import metric

from vlmbench.domain import Metric, RuleSet
from vlmbench.errors import UsageError
from vlmbench.report.published_figure import (
    BOTH,
    EVEN,
    UP,
    ComparedFigure,
    figures_beside,
    nearest_two,
    parse_printed,
    ranked,
    rounding_of,
)


def beside(printed: str, **by_rules: list[Metric]) -> list[ComparedFigure]:
    metrics: dict[RuleSet, list[Metric]] = dict(by_rules)  # type: ignore[arg-type]
    return figures_beside(metrics, parse_printed(printed))


def points(name: str, value: float) -> Metric:
    return metric(name, value, unit="points", ci95=None)


@pytest.mark.parametrize(
    ("value", "printed", "ways"),
    [
        (67.6870748, "67.7", BOTH),
        (67.65, "67.7", UP),  # the digit before is even
        (67.65, "67.6", EVEN),
        (67.75, "67.8", BOTH),
        (67.6499, "67.6", BOTH),
        (67.8, "67.7", None),
        (67.5, "68", BOTH),
        (66.5, "66", EVEN),
        (66.5, "67", UP),
        (1531.3187, "1531.3", BOTH),
        (1531.3187, "1531", BOTH),
        (70.0, "70.0", BOTH),
    ],
)
def test_a_tie_rounds_up_or_to_even(value: float, printed: str, ways: str | None) -> None:
    assert rounding_of(value, Decimal(printed)) == ways


@pytest.mark.parametrize(("right", "of"), [(49, 80), (213, 400), (41, 2000), (1313, 4000)])
def test_the_noise_of_a_float_decides_no_tie(right: int, of: int) -> None:
    """Their percentages end in a 5 that a product of floats may miss by its last bit."""
    percent = Decimal(right) * 100 / of
    digits = -int(percent.as_tuple().exponent) - 1
    up, even = (
        percent.quantize(Decimal(1).scaleb(-digits), way) for way in ("ROUND_HALF_UP", "ROUND_HALF_EVEN")
    )
    assert rounding_of(right / of * 100, up) == (BOTH if up == even else UP)
    assert rounding_of(right / of * 100, even) == (BOTH if up == even else EVEN)


def test_a_fraction_is_compared_as_percent_and_points_as_they_are() -> None:
    figures = beside("67.7", strict=[metric("accuracy", 0.67687), points("score", 67.71)])
    assert [(f.name, f.rounds) for f in figures] == [("accuracy", BOTH), ("score", BOTH)]


@pytest.mark.parametrize(
    ("printed", "value", "ways"),
    [("0.677", 0.67687, BOTH), ("0.677%", 0.67687, None), ("0.5", 0.005, BOTH), ("67.7 %", 0.67687, BOTH)],
)
def test_a_number_below_one_may_be_a_fraction_unless_a_percent_sign_stands_behind_it(
    printed: str, value: float, ways: str | None
) -> None:
    assert beside(printed, strict=[metric("accuracy", value)])[0].rounds == ways


def test_parts_are_figures_of_one_unit_in_their_order() -> None:
    table = [points("perception", 1510.7), points("cognition", 348.2), metric("accuracy", 0.8)]
    (figure,) = beside("1511/348", strict=table)
    assert (figure.name, figure.rounds, figure.shown) == ("perception/cognition", BOTH, (1510.7, 348.2))
    assert beside("348/1511", strict=table)[0].rounds is None


def test_parts_that_tie_must_round_the_same_way() -> None:
    table = [points("perception", 1510.5), points("cognition", 348.5)]
    assert [beside(text, strict=table)[0].rounds for text in ("1511/349", "1510/348", "1511/348")] == [
        UP,
        EVEN,
        None,
    ]


def test_figures_of_categories_and_those_without_a_value_are_left_out() -> None:
    table = [
        metric("accuracy", None),
        metric("colour", 0.677, level="category"),
        metric("dev", 0.5, level="split"),
    ]
    assert [figure.name for figure in beside("67.7", strict=table)] == ["dev"]


def test_what_rounds_comes_first_and_the_headline_before_others() -> None:
    one = [metric("accuracy", 0.68), metric("row accuracy", 0.67701)]
    other = [metric("accuracy", 0.6774), metric("row accuracy", 0.66)]
    order = [(f.rules, f.name) for f in ranked(beside("67.7", strict=one, xtuner=other))]
    assert order == [
        ("xtuner", "accuracy"), ("strict", "row accuracy"), ("strict", "accuracy"), ("xtuner", "row accuracy")
    ]  # fmt: skip


def test_the_second_of_the_nearest_two_is_another_rule_set_with_another_value() -> None:
    def table(value: float) -> list[Metric]:
        return [metric("accuracy", value)]

    figures = beside("67.7", strict=table(0.70), vlmevalkit=table(0.677), xtuner=table(0.677))
    first, second = nearest_two(figures) or (None, None)
    assert first is not None
    assert second is not None
    assert (first.rules, second.rules) == ("vlmevalkit", "strict")


def test_where_all_come_to_the_same_there_is_no_second_and_without_figures_none_at_all() -> None:
    same = [metric("accuracy", 0.677), metric("other", 0.1)]
    first, second = nearest_two(beside("67.7", strict=same, xtuner=same)) or (None, None)
    assert first is not None
    assert second is None
    assert nearest_two(beside("67.7", strict=[metric("accuracy", None)])) is None


@pytest.mark.parametrize("text", ["", "about 67", "-1", "1e3", "1,531", "1/2/3/4", "67.7%%", "٦٧"])
def test_what_no_table_prints_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"1511/348"):
        parse_printed(text)
