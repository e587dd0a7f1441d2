"""What several draws amount to: votes, ties, draws without an answer, and the mean."""

from __future__ import annotations

import pytest

from vlmbench.answers.majority import combined, majority, majority_scores
from vlmbench.domain import Score


def score(found: str | None, value: float | None, name: str = "1", reason: str = "") -> Score:
    return Score(id=name, group=name, rules="strict", extracted=found, value=value, reason=reason)


@pytest.mark.parametrize(
    ("answers", "winner"),
    [
        (["A"], 0),
        (["A", "B", "B"], 1),
        (["B", "A", "A", "B"], 0),
        (["C", "A", "B", "B", "A"], 1),
        ([None, None, "B"], 2),
        ([None, "A", None, "B", "B"], 3),
        ([None, None], 0),
    ],
)
def test_the_most_frequent_answer_wins_and_of_equals_the_one_drawn_first(
    answers: list[str | None], winner: int
) -> None:
    assert majority([score(answer, 0.0) for answer in answers]) == winner


def test_a_question_has_the_mean_of_its_draws_and_the_answer_of_the_majority() -> None:
    passes = [[score("A", 1.0), score("x", 0.5, "2")], [score("B", 0.0), score("y", 1.0, "2")]]
    passes += [[score("B", 0.0), score("y", 1.0, "2")]]
    one, two = combined(passes)
    assert (one.extracted, one.value, one.reason) == ("B", pytest.approx(1 / 3), "1 of 3 draws right")
    assert (two.extracted, two.value, two.reason) == ("y", pytest.approx(2.5 / 3), "mean of 3 draws")
    assert [s.value for s in majority_scores(passes)] == [0.0, 1.0]


def test_a_question_with_a_failed_draw_has_no_value_and_says_why() -> None:
    (found,) = combined([[score("A", 1.0)], [score(None, None, reason="the server is gone")]])
    assert (found.extracted, found.value, found.reason) == ("A", None, "the server is gone")


def test_a_draw_that_a_rule_set_does_not_see_is_left_out() -> None:
    first, second = [score("A", 1.0), score("B", 1.0, "2")], [score("A", 0.0)]
    assert [(s.id, s.value) for s in combined([first, second])] == [("1", 0.5), ("2", 1.0)]
