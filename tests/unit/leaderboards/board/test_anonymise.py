"""What a board publishes says nothing of where the runs were made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from board_runs import skilled, write_run

from vlmbench.cli.main import main
from vlmbench.leaderboards.board.names import public_names, without_folders


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("demo", "demo"),
        ("llava-hf/llava-1.5-7b-hf", "llava-hf/llava-1.5-7b-hf"),
        ("vllm:llava-hf/llava-1.5-7b-hf", "vllm:llava-hf/llava-1.5-7b-hf"),
        ("/home/me/ckpt/llava_7b", "llava_7b"),
        ("/home/me/ckpt/llava_7b/", "llava_7b"),
        ("vllm:/home/me/ckpt/llava_7b", "vllm:llava_7b"),
        ("work/llava.pth", "llava.pth"),
        ("../me/llava", "llava"),
        ("~/llava", "llava"),
        (r"C:\\Users\\me\\llava", "llava"),
        ("echo:@/tmp/x/m1.jsonl", "echo:@m1.jsonl"),
        ("echo:B,!raise=7", "echo:B,!raise=7"),
        ("openai:gpt@http://me:secret@10.0.0.7:8000/v1", "openai:gpt"),
        ("openai:/models/llava@http://10.0.0.7:8000", "openai:llava"),
        ("<b>a</b>/x</i>", "<b>a</b>/x</i>"),
        ("/", "/"),
        ("", ""),
    ],
)
def test_a_model_is_called_by_the_last_part_of_its_path(typed: str, shown: str) -> None:
    assert public_names([typed]) == {typed: shown}


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("/home/me/work_dirs/demo_dusk/model", "demo_dusk"),
        ("/home/me/ckpt/iter_5198_hf", "ckpt/iter_5198_hf"),
        ("vllm:/home/me/ckpt/iter_5198_hf/", "vllm:ckpt/iter_5198_hf"),
        ("work_dirs/llava/iter_5198.pth", "llava/iter_5198.pth"),
        ("../out/checkpoint-200", "out/checkpoint-200"),
        ("model", "model"),
        ("openai:model@http://10.0.0.7:8000/v1", "openai:model"),
    ],
)
def test_a_name_that_every_training_uses_keeps_the_folder_above(typed: str, shown: str) -> None:
    assert public_names([typed]) == {typed: shown}


def test_two_parts_where_one_would_make_them_equal() -> None:
    assert list(public_names(["/a/one/hf", "/a/two/hf", "/a/x"]).values()) == ["one/hf", "two/hf", "x"]
    assert set(public_names(["openai:m@http://a:1/v1", "openai:m@http://b/v1"]).values()) == {
        "openai:m@a:1",
        "openai:m@b",
    }


def test_reasons_keep_of_paths_the_last_part() -> None:
    assert without_folders("it tells of `/home/me/a`, not `echo:@/tmp/b/c.jsonl`") == (
        "it tells of `a`, not `echo:@c.jsonl`"
    )
    assert without_folders("see https://example.org/a/b and 3/4/5") == "see https://example.org/a/b and 3/4/5"


def test_no_file_of_the_board_tells_a_path_of_the_machine(tmp_path: Path) -> None:
    judged = {"count": 3, "model": "/secret/judges/j1"}
    write_run(tmp_path / "runs" / "one", "/secret/home/iter_1_hf", skilled(30), judged=judged)
    write_run(tmp_path / "runs" / "two", "echo:@/secret/tmp/m1.jsonl", skilled(20), judged=judged)
    write_run(tmp_path / "runs" / "blind", "/secret/home/blind", skilled(20), blind=True)
    odd = write_run(tmp_path / "runs" / "odd", "/secret/home/odd", skilled(20))
    about = json.loads((odd / "run.json").read_text())
    about["spec"]["model"] = "/secret/home/other"
    (odd / "run.json").write_text(json.dumps(about))
    out = tmp_path / "out"
    assert main(["leaderboard", "build", "--runs", str(tmp_path / "runs"), "--out", str(out)]) == 0
    for file in out.iterdir():
        assert "secret" not in file.read_text("utf-8"), file.name
    board = json.loads((out / "leaderboard.json").read_text("utf-8"))
    assert [entry["name"] for entry in board["measured"]] == ["home/iter_1_hf", "echo:@m1.jsonl"]
    assert "home/iter\\_1\\_hf" in (out / "leaderboard.md").read_text("utf-8")
    assert "home/iter_1_hf" in (out / "badge.svg").read_text("utf-8")
