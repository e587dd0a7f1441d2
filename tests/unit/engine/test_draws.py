"""The ids of draws, and which of them a run asks."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.domain import Decoding, Request, Response
from vlmbench.draws import check_ids, draw_ids, draw_of, drawn_ids, passes
from vlmbench.engine.asking import RunPlan, answer
from vlmbench.engine.status import SilentProgress
from vlmbench.errors import DataError, UsageError
from vlmbench.models.decoding_limits import check_decoding
from vlmbench.models.loading import load_model


@given(st.text(max_size=12), st.integers(1, 30))
def test_ids_of_draws_come_apart_again(name: str, draws: int) -> None:
    ids = draw_ids(name, draws)
    assert len(set(ids)) == draws
    assert ids[0] == name
    assert [draw_of(own) for own in ids[1:]] == [(name, number) for number in range(1, draws)]


@pytest.mark.parametrize("name", ["1#2", "a#10", "x#1#3"])
def test_rows_whose_own_ids_look_like_draws_are_refused_by_name(name: str) -> None:
    with pytest.raises(DataError, match="leave --samples out") as refused:
        check_ids(["1", name])
    assert refused.value.row == name


def test_other_ids_with_the_sign_are_left_alone() -> None:
    check_ids(["#", "1#", "#x", "1#0", "1#02", "1#-1", "1 # 2"])


def test_more_draws_than_are_asked_for_stay_in_their_place() -> None:
    known = dict.fromkeys([*draw_ids("a", 3), "b", "b#2"])
    assert drawn_ids(["a", "b"], known, 1) == ["a", "a#1", "a#2", "b"]
    assert drawn_ids(["b"], known, 2) == ["b", "b#1", "b#2"]
    assert passes(dict.fromkeys(known, 0), ["a", "b"], 2) == [{"a": 0, "b": 0}, {"a": 0}]


def test_greedy_decoding_is_refused_for_several_draws_but_not_of_a_function() -> None:
    check_decoding("hf", Decoding())
    check_decoding("function", Decoding(), 8)
    check_decoding("hf", Decoding(do_sample=True), 8)
    with pytest.raises(UsageError, match=r"greedy decoding gives one answer .* 8 draws .* temperature=0.7"):
        check_decoding("hf", Decoding(), 8)


def test_a_run_asks_the_draws_that_it_lacks_and_counts_every_one() -> None:
    answers = {
        "1": Response(id="1", text="A", finish="stop"),
        "1#1": Response(id="1#1", text="", finish="error"),
    }
    written: list[Response] = []
    folder: Any = SimpleNamespace(responses=lambda: answers, append=written.append)
    asked = Request(id="1", group="1", parts=("?",), decoding=Decoding(do_sample=True))
    samples: Any = [SimpleNamespace(id="1", problem=None), SimpleNamespace(id="2", problem="no picture")]
    requests = [
        Request(id=own, group="1", parts=asked.parts, decoding=asked.decoding) for own in draw_ids("1", 3)
    ]
    plan = RunPlan(samples=tuple(samples), requests=tuple(requests), partial=False, prompts="", draws=3)
    found, timing = answer(plan, load_model("echo:B"), folder, {}, SilentProgress())
    assert {i: r.text for i, r in found.items() if not r.error} == {"1": "A", "1#1": "B", "1#2": "B"}
    assert [r.id for r in written] == ["2", "2#1", "2#2", "1#1", "1#2"]
    assert (timing["asked"], timing["kept_from_before"]) == (2, 1)
