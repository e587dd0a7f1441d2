"""Tables fit the terminal and keep every name whole; a pipe has all of it; tabs and JSON are asked for."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import pytest
from terminal import terminal

from vlmbench.chinese.width import width_of
from vlmbench.cli._shared.tables import print_rows, table_lines
from vlmbench.cli.main import main

LONG = "llava_vicuna_13b_v15_qlora_clip_vit_large_p14_336"
ROWS = [
    {"name": "POPE", "about": "are things there that are not there? " * 2, "rows": 9000, "file": "here"},
    {"name": LONG, "about": "short", "rows": None, "file": "absent"},
    {"name": "中文评测集", "about": "", "rows": 7, "file": "absent"},
]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_a_table_fits_and_keeps_every_name_whole(width: int) -> None:
    lines, left_out = table_lines(ROWS, width, prose=["about"], least=["file"])
    assert max(map(width_of, lines)) <= width
    assert all(sum(str(row["name"]) in line for line in lines) == 1 for row in ROWS)
    assert left_out == []
    assert sum("9000" in line for line in lines) == 1


def test_what_has_no_room_is_left_out_the_least_first() -> None:
    lines, left_out = table_lines(ROWS, 50, prose=["about"], least=["file", "rows"])
    assert max(map(width_of, lines)) <= 50
    assert left_out == ["file"]


def test_a_pipe_has_every_row_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows(ROWS, prose=["about"], least=["file"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(ROWS)
    assert lines[1].startswith("POPE ")
    assert len({width_of(line[: line.rindex("  ")]) for line in lines[2:]}) == 1
    assert "\t" not in "".join(lines)


def test_tabs_and_json_where_they_are_asked(capsys: pytest.CaptureFixture[str]) -> None:
    print_rows([{"name": "a\tb\n\x1b[31mc", "rows": None, "tags": ("x", "y")}], "tsv")
    assert capsys.readouterr().out == "name\trows\ttags\na b \\x1b[31mc\t\tx, y\n"
    print_rows(ROWS, "json")
    assert json.loads(capsys.readouterr().out) == ROWS


@pytest.mark.parametrize("line", ["list rules", "recipes list 70b", "cache", "doctor", "show Shapes_DEV_EN"])
def test_every_verb_of_tables_has_the_three_formats(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path))
    for form in ("table", "tsv", "json"):
        assert main([*line.split(), "--format", form]) == 0
        out = capsys.readouterr().out
        assert form != "json" or json.loads(out) is not None
        assert form != "table" or "\t" not in out
    assert line == "cache" or "\t" in _tsv(line, capsys)


def _tsv(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    main([*line.split(), "--format", "tsv"])
    return capsys.readouterr().out


@pytest.mark.parametrize("width", [60, 80])
def test_the_benchmarks_fit_a_real_terminal(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    command = [sys.executable, "-m", "vlmbench", "list"]
    with terminal(command, columns=width, env=environment) as screen:
        assert screen.end() == 0
    lines = [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", screen.raw).splitlines()]
    assert max(len(line) for line in lines if not line.startswith(("left out", "?:"))) <= width
    names = [line.split("\t")[0] for line in _tsv("list", capsys).splitlines()[1:]]
    assert all(any(line.split()[:1] == [name] for line in lines) for name in names)
