"""How answers were decoded is said beside every figure, and noted where it differs within a column."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from board_runs import skilled, write_run

from vlmbench.cli.main import main
from vlmbench.decoding import Decoding, decodings_in, in_english

GREEDY = {"max_new_tokens": 512, "do_sample": False}
SAMPLED = {"max_new_tokens": 3, "do_sample": True, "temperature": 1.5}


def board_of(folder: Path, **ways: Any) -> Path:
    for number, (model, way) in enumerate(ways.items()):
        write_run(folder / "runs" / model, model, skilled(20 + number), facts={"decoding": way})
    assert main(["leaderboard", "build", "--runs", str(folder / "runs"), "--out", str(folder / "out")]) == 0
    return folder / "out"


def test_a_column_of_several_ways_says_so_and_every_figure_says_its_own(tmp_path: Path) -> None:
    out = board_of(tmp_path, one=[GREEDY], two=[SAMPLED], three=None)
    board = json.loads((out / "leaderboard.json").read_text("utf-8"))
    assert board["columns"][0]["notes"] == [
        "runs decoded differently share this column; each figure shows its settings"
    ]
    found = {entry["name"]: entry["places"]["Bench_DEV_EN"]["decoding"] for entry in board["measured"]}
    assert [way["temperature"] for way in found["two"]] == [1.5]
    assert found["three"] == []
    with (out / "leaderboard.csv").open(encoding="utf-8") as file:
        lines = {line["model"]: line["decoding"] for line in csv.DictReader(file)}
    assert lines["one"] == "greedy, at most 512 tokens"
    assert lines["two"] == "sampling at 1.5, at most 3 tokens"
    assert "greedy, at most 512 tokens\\: one" in (out / "leaderboard.md").read_text("utf-8")


def test_what_does_not_change_answers_is_not_noted(tmp_path: Path) -> None:
    out = board_of(tmp_path, one=[GREEDY], two=[{**GREEDY, "seed": 7, "temperature": 0.2}], three="greedy")
    assert json.loads((out / "leaderboard.json").read_text("utf-8"))["columns"][0]["notes"] == []


@pytest.mark.parametrize(
    "facts",
    [
        None,
        "greedy",
        [],
        [7],
        [{}],
        [GREEDY] * 99,
        [{"max_new_tokens": "<b>"}],
        [{"max_new_tokens": True}],
        [{**SAMPLED, "temperature": float("nan")}],
        [{**SAMPLED, "temperature": [1]}],
        [{**SAMPLED, "do_sample": 1}],
        [{**GREEDY, "stop": "text"}],
        [{**GREEDY, "stop": ["x" * 999]}],
    ],
)
def test_what_is_no_setting_is_not_known(facts: Any) -> None:
    assert decodings_in(facts) == ()


def test_beams_and_cut_tails_have_words() -> None:
    settings = [Decoding(num_beams=3), Decoding(do_sample=True, top_p=0.9, temperature=0.7)]
    assert (
        in_english(settings)
        == "greedy, 3 beams, at most 512 tokens; sampling at 0.7 from the top 0.9, at most 512 tokens"
    )
