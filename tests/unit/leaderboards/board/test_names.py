"""Names on the board: no two models look the same, whatever their names hide; families in all scripts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_runs import skilled, write_run

from vlmbench.cli.main import main
from vlmbench.leaderboards.board.names import family_of


def names_on_the_board(folder: Path, *models: str) -> list[str]:
    """Of models of the same files."""
    for number, model in enumerate(models):
        facts = {"model": {"files": "the same"}}
        write_run(folder / "runs" / str(number), model, skilled(10 + number), facts=facts)
    assert main(["leaderboard", "build", "--runs", str(folder / "runs"), "--out", str(folder / "out")]) == 0
    board = json.loads((folder / "out" / "leaderboard.json").read_text("utf-8"))
    return [entry["name"] for entry in board["measured"]]


@pytest.mark.parametrize(
    "models",
    [
        ("demo", "demo\u00ad", "demo\u061c", "demo\ufe0f", "demo�"),
        ("x" * 200 + "1", "x" * 200 + "2", "x" * 80),
        ("\u3164", "\u2800", "\U000e0041", " "),
        ("a b", "a  b"),
    ],
)
def test_names_that_hide_their_difference_are_told_apart(tmp_path: Path, models: tuple[str, ...]) -> None:
    names = names_on_the_board(tmp_path, *models)
    assert len(set(names)) == len(models)
    assert all(name.isprintable() and name.strip() for name in names)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("模型一号-3B", "模型一号"),
        ("نموذج-7B", "نموذج"),
        ("हिन्दी-2B", "हिन्दी"),
        ("7-модель", "модель"),
        ("123", "1"),
        ("Qwen2-VL 模型", "Qwen"),
    ],
)
def test_a_family_is_a_word_of_its_own_script(name: str, family: str) -> None:
    assert family_of(name) == family
