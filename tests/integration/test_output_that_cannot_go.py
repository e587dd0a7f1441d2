"""A full disk under stdout, names of any length, no rows: one sentence within a screen, no traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from board_runs import skilled, write_run

from vlmbench.cli.main import main
from vlmbench.errors import SCREEN, UnknownName, UserError

LONG = "n" * 70_000


@pytest.mark.parametrize(
    "line", [["list"], ["compare", "one", "one", "--format", "json"], ["show", "--help"]]
)
def test_a_full_disk_under_stdout_is_one_sentence(tmp_path: Path, line: list[str]) -> None:
    write_run(tmp_path / "one", "demo", skilled(5))
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "vlmbench", "--lang", "en", *line],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last == "vlmbench: the output cannot be written to stdout (No space left on device)."
    assert "Traceback" not in ended.stderr
    assert "ignored" not in ended.stderr


def test_no_error_is_longer_than_a_screen() -> None:
    for error in (
        UserError(LONG, file=LONG, row=LONG, key=LONG, fix=f"{LONG} Mend it."),
        UnknownName("x", LONG, ["y"]),
    ):
        assert len(str(error)) <= SCREEN
    error = UserError(f"there is no `{LONG}`.", file="here.tsv", fix="Look at `vlmbench list`.")
    assert str(error).startswith("here.tsv: there is no `nnn")
    assert str(error).endswith("nnn`. Look at `vlmbench list`.")


def test_a_name_of_any_length_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = tmp_path / "p.json"
    data.write_text(json.dumps([{"index": LONG, "prediction": "A"}, {LONG: LONG}]))
    for words in (
        [LONG],
        ["show", f"{LONG}.tsv"],
        ["show", f"{LONG[:300]}.tsv"],
        ["run", "--model", LONG, "--bench", LONG],
        ["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--out", LONG],
        ["status", LONG],
        ["report", LONG],
        ["compare", LONG, LONG],
        ["list", f"--{LONG}"],
        ["list", "--data-dir", LONG],
        ["score", "--predictions", str(data), "--bench", "Shapes_DEV_EN"],
        ["recipes", "show", LONG],
        ["train", "demo_lora", "--set", f"{LONG}=1", "--plan"],
        ["doctor", "--config", LONG],
    ):
        code = main(words)
        shown = capsys.readouterr().err
        assert max(map(len, shown.splitlines())) <= SCREEN + 20, words[0]
        assert code or "--data-dir" in words, words[0]


def test_a_benchmark_without_rows_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "Own.tsv"
    file.write_text("index\tquestion\tanswer\n")
    assert main(["show", str(file)]) in (0, 1)
    shown = capsys.readouterr()
    assert "it has no rows." in shown.out + shown.err
