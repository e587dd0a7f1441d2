"""Which folders a leaderboard reads when it is given several, and how a run that is there twice is shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from board_runs import skilled, write_run

from vlmbench.api.board import find_runs
from vlmbench.cli.main import main


def build(out: Path, *roots: Path) -> dict[str, Any]:
    assert main(["leaderboard", "build", "--runs", *map(str, roots), "--out", str(out)]) == 0
    board: dict[str, Any] = json.loads((out / "leaderboard.json").read_text("utf-8"))
    return board


def test_folders_are_named_by_their_root_only_where_there_are_several(tmp_path: Path) -> None:
    one = write_run(tmp_path / "one" / "demo", "demo", skilled(30))
    two = write_run(tmp_path / "two" / "demo", "demo", skilled(30))
    assert find_runs([tmp_path / "one"]) == {"demo": one}
    assert find_runs([one]) == {"demo": one}
    assert find_runs([tmp_path / "one", tmp_path / "two"]) == {"one/demo": one, "two/demo": two}


def test_answers_set_aside_are_on_no_board_unless_their_folder_is_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "demo" / "Bench", "demo", skilled(30))
    aside = write_run(tmp_path / "runs" / "demo" / "Bench.old-1", "demo", skilled(20))
    assert find_runs([tmp_path / "runs"]) == {"demo/Bench": run}
    assert find_runs([aside]) == {"Bench.old-1": aside}


def test_a_model_is_called_what_its_run_calls_it(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "a", "work/tuned", skilled(30), name="tuned")
    write_run(tmp_path / "runs" / "b", "/home/me/work_dirs/demo_dusk/model", skilled(20))
    write_run(tmp_path / "runs" / "c", "/home/me/x/model", skilled(10), name="dusk, again")
    names = [entry["name"] for entry in build(tmp_path / "out", tmp_path / "runs")["measured"]]
    assert names == ["tuned", "demo_dusk", "dusk, again"]


def test_roots_of_one_name_lose_no_run(tmp_path: Path) -> None:
    roots = [tmp_path / place / "runs" for place in "abc"]
    runs = [write_run(root / "demo", "demo", skilled(30)) for root in roots]
    assert find_runs(roots) == dict(zip(("runs/demo", "runs-2/demo", "runs-3/demo"), runs, strict=True))


def test_a_folder_below_two_roots_is_read_once(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "demo" / "Bench", "demo", skilled(30))
    assert find_runs([tmp_path / "runs", tmp_path / "runs" / "demo"]) == {"runs/demo/Bench": run}


def test_a_model_found_twice_ranks_once_and_the_reason_names_the_folder_that_counts(tmp_path: Path) -> None:
    for root in ("committed", "fresh"):
        write_run(tmp_path / root / "demo", "demo", skilled(30))
    write_run(tmp_path / "fresh" / "other", "other", skilled(20))
    board = build(tmp_path / "out", tmp_path / "committed", tmp_path / "fresh")
    (column,) = (column["key"] for column in board["columns"])
    ranked = {entry["name"]: entry["places"][column]["folder"] for entry in board["measured"]}
    assert ranked == {"demo": "committed/demo", "other": "fresh/other"}
    (apart,) = board["apart"]
    assert (apart["folder"], apart["why"], apart["detail"]) == ("fresh/demo", "copy", "committed/demo")
    said = (tmp_path / "out" / "leaderboard.md").read_text("utf-8")
    assert "the same run again, already counted (committed/demo)" in said
