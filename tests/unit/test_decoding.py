"""Decoding as a noun: its JSON stays what earlier runs locked, its words name every setting, and settings
that are out of range or have no effect are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from decodings import EVERY_SETTING

from vlmbench.decoding import SETTINGS, Decoding, changed, checked, decodings_in, in_chinese, in_english
from vlmbench.domain import RunSpec
from vlmbench.errors import UserError


def test_the_json_of_a_decoding_from_before_has_not_changed() -> None:
    before = (
        '{"max_new_tokens": 512, "do_sample": false, "temperature": 1.0, "top_p": 1.0, "num_beams": 1, '
        '"seed": 0}'
    )
    assert json.dumps(Decoding().document()) == before
    spec = RunSpec(model="m", benchmark="b", style="s", decoding=Decoding())
    assert json.dumps(spec.document()["decoding"]) == before
    assert RunSpec(model="m", benchmark="b", style="s").document()["decoding"] is None


def test_every_setting_survives_json() -> None:
    decoding = changed(Decoding(seed=3), EVERY_SETTING)
    document = json.loads(json.dumps(decoding.document()))
    assert set(SETTINGS) <= document.keys()
    assert Decoding.from_document(document) == decoding
    assert decodings_in([document]) == (decoding,)


def test_every_setting_stands_in_the_words_of_both_languages() -> None:
    (english,), (chinese,) = (
        [words([changed(Decoding(), EVERY_SETTING)])] for words in (in_english, in_chinese)
    )
    for value in ("64", "0.6", "0.95", "20", "0.05", "1.05", "1.5", "2", r"'\n\n'", "'</answer>'"):
        assert value in english
        assert value in chinese


def test_a_stop_text_cannot_turn_a_line_round() -> None:
    assert "\u202e" not in in_english([Decoding(stop=("\u202ereversed",))])


def test_a_temperature_samples_and_zero_is_greedy_again() -> None:
    sampled = changed(Decoding(), {"temperature": "0.6", "top_p": "0.9", "top_k": "-1"})
    assert (sampled.do_sample, sampled.temperature, sampled.top_p, sampled.top_k) == (True, 0.6, 0.9, 0)
    assert changed(sampled, {"temperature": 0}) == Decoding()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"top_p": 0.9}, "`top_p`: greedy decoding draws nothing"),
        ({"temperature": 0, "top_k": 5}, "`top_k`: greedy decoding draws nothing"),
        ({"temperature": -1}, "`temperature`: `-1` is not a number from 0"),
        ({"temperature": "warm"}, "`warm` is not a number"),
        ({"temperature": float("nan")}, "`nan` is not a number"),
        ({"temperature": True}, "`True` is not a number"),
        ({"top_k": 2.5}, "`2.5` is not a whole number"),
        ({"temperature": 1, "min_p": 1}, "below 1"),
        ({"presence_penalty": 3}, "from -2 to 2"),
        ({"repetition_penalty": 0}, "above 0"),
        ({"stop": ""}, "not a text of 1 to"),
        ({"stop": ["x"] * 17}, "1 to 16 texts"),
        ({"tempratur": 1}, "Did you mean temperature?"),
        ({"seed": 3}, "`--seed`"),
        ({"do_sample": True}, "a temperature above 0 samples"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_name(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as error:
        changed(Decoding(), settings)
    assert words in str(error.value)


def test_a_decoding_made_in_python_is_checked_too() -> None:
    with pytest.raises(UserError, match="`top_p`"):
        checked(Decoding(top_p=0.5))
    assert checked(Decoding(stop=("x",))).stop == ("x",)
