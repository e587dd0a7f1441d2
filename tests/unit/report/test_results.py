"""results.json: valid against its schema, stable, and honest about what was not scored."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError
from samples import metric, rotated, run

from vlmbench.domain import RULE_SETS, Run
from vlmbench.report.results import finite, results_document, results_schema

SAMPLES = rotated(3, answer="A")
FIGURES = [metric("circular accuracy"), metric("dev", level="split"), metric("colour", 1.0, level="category")]


def document(what: Run | None = None) -> dict[str, Any]:
    """A document that JSON gives back unchanged and its schema accepts."""
    made = results_document(what or run(SAMPLES, FIGURES))
    Draft202012Validator(results_schema()).validate(made)
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    return made


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(results_schema())


def test_the_headline_is_the_first_figure_of_the_chosen_rule_set() -> None:
    made = document()
    assert made["headline"] == made["metrics"][0] == made["by_rules"]["strict"]["headline"]
    assert made["headline"] == {
        "name": "circular accuracy", "split": None, "level": "overall", "value": 0.614, "unit": "fraction",
        "stderr": 0.0143, "ci95": [pytest.approx(0.586), pytest.approx(0.642)], "n": 1164, "rows": 4329,
    }  # fmt: skip


def test_every_rule_set_is_there_in_the_same_order() -> None:
    assert tuple(document()["by_rules"]) == RULE_SETS


def test_keys_stand_in_the_order_of_the_schema() -> None:
    optional = ["draws", "usage", "thinking", "predictions", "published"]
    made = run(SAMPLES, FIGURES)
    named = replace(made, spec=replace(made.spec, name="mine"))
    assert [*document(named), *optional] == list(results_schema()["properties"])
    # Runs of before there was a count of what no figure counts stay readable.
    assert set(document()) - set(results_schema()["required"]) == {
        "decoding",
        "joined",
        "left_out",
        "unscored",
    }
    assert list(document()["headline"]) == results_schema()["$defs"]["figure"]["required"]


def test_a_failed_request_is_an_error_and_not_unparsed() -> None:
    made = document(run(SAMPLES, FIGURES, {"0": "A", "1": "?", "2": "", "1000000": None}))
    assert made["unparsed"] == {"count": 2, "rate": pytest.approx(2 / 3)}
    assert made["errors"] == 1
    assert made["rows"] == {"asked": 6, "answered": 3}
    assert made["complete"] is False


def test_answers_to_questions_that_are_not_asked_any_more_are_not_counted() -> None:
    made = document(run(SAMPLES[:1], FIGURES, {"0": "A", "77": "?"}))
    assert made["rows"] == {"asked": 1, "answered": 1}
    assert made["unparsed"]["count"] == 0


def test_no_answer_at_all_has_no_rate() -> None:
    made = document(run(SAMPLES, [metric("circular accuracy", None)], {}))
    assert made["unparsed"] == {"count": 0, "rate": None}
    assert made["headline"]["value"] is None
    assert made["withheld"] is False


def test_withheld_answers_are_told_from_unscored_ones() -> None:
    assert document(run(rotated(2), [metric("circular accuracy", None)]))["withheld"] is True


def test_partial_and_blind_runs_say_so() -> None:
    made = document(run(SAMPLES, FIGURES, limit=3, blind=True))
    assert (made["partial"], made["limit"], made["blind"]) == (True, 3, True)


def test_what_json_cannot_hold_becomes_null() -> None:
    figures = [metric("x", math.nan, stderr=math.inf, ci95=(0.0, math.nan))]
    made = document(run(SAMPLES, figures, timing={"rows_per_second": math.inf, "all": (1.0, math.nan)}))
    assert [made["headline"][key] for key in ("value", "stderr", "ci95")] == [None] * 3
    assert made["timing"] == {"rows_per_second": None, "all": [1.0, None]}


@given(
    st.recursive(
        st.none() | st.text() | st.floats(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_finite_values_always_make_json(value: Any) -> None:
    json.dumps(finite(value), allow_nan=False)


@pytest.mark.parametrize(
    "change",
    [
        {"schema_version": 2},
        {"errors": -1},
        {"rules": "loose"},
        {"headline": {}},
        {"extra": 1},
        {"metrics": []},
    ],
)
def test_the_schema_refuses_other_documents(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Draft202012Validator(results_schema()).validate({**document(), **change})
