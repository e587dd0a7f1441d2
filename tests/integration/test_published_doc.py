"""docs/published.md: its example runs, its program makes the table, its commands and figures are sound."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from repository import ROOT

from vlmbench.cli import score
from vlmbench.cli.main import main
from vlmbench.leaderboards.board.published import published_tables
from vlmbench.registry import Registry
from vlmbench.report.published_figure import parse_printed, rounding_of

DOC = ROOT / "docs" / "published.md"
TEXT = DOC.read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def files_of_the_page(folder: Path) -> None:
    for _, name, text in BLOCK.findall(TEXT):
        if name:
            (folder / name).write_text(text, "utf-8")


def commands() -> list[str]:
    """Every `vlmbench score` line of the page's blocks."""
    return [
        line for _, _, text in BLOCK.findall(TEXT) for line in text.splitlines() if "vlmbench score" in line
    ]


def table_under(heading: str) -> Iterator[list[str]]:
    """The rows of the first table under a heading."""
    part = TEXT.split(f"## {heading}")[1].split("\n## ")[0]
    started = False
    for line in part.splitlines():
        if line.startswith("| "):
            started = True
            yield [cell.strip() for cell in line.strip("|").split(" | ")]
        elif started and not line.startswith("|"):
            return


def test_the_example_prints_what_the_page_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files_of_the_page(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    command = next(text for language, name, text in BLOCK.findall(TEXT) if language == "sh" and not name)
    assert main(shlex.split(command)[1:]) == 0
    shown = next(text for language, _, text in BLOCK.findall(TEXT) if "is reached by" in text)
    printed = [line.split() for line in capsys.readouterr().out.splitlines()]
    for line in shown.splitlines():
        assert line.split() in printed


def test_the_program_joins_labels_to_questions_split_by_split(tmp_path: Path) -> None:
    files_of_the_page(tmp_path)
    asked = [(7, "adversarial", "no"), (8, "adversarial", "yes"), (9, "random", "no"), (10, "popular", "yes")]
    for split in ("adversarial", "popular", "random"):
        labels = [json.dumps({"label": label}) for _, name, label in asked if name == split]
        (tmp_path / f"coco_pope_{split}.json").write_text("\n".join(labels) + "\n", "utf-8")
    lines = [
        {
            "question_id": i,
            "image": f"{i}.jpg",
            "text": f"Is there a {i}?\nAnswer shortly.",
            "category": split,
        }
        for i, split, _ in asked
    ]
    (tmp_path / "q.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    made = subprocess.run(
        [sys.executable, "pope_table.py", "q.jsonl", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.splitlines() == [
        "index\tquestion\tanswer\tcategory\timage_path",
        *(f"{i}\tIs there a {i}?\t{label.capitalize()}\t{split}\t{i}.jpg" for i, split, label in asked),
    ]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_one(command: str) -> None:
    parser = argparse.ArgumentParser()
    score.add_arguments(parser)
    args = parser.parse_args(shlex.split(command)[2:])
    parse_printed(args.published)
    assert args.bench == "NAME" or Registry([]).benchmark(args.bench)


def test_what_is_printed_rounds_to_what_was_published() -> None:
    rows = list(table_under("LLaVA-1.5-13B, from its authors' answers"))
    assert len(rows) > 5
    for published, _, printed, *_ in rows[1:]:
        for number, ours in zip(
            re.findall(r"\d+\.\d+", published), re.findall(r"\d+\.\d+", printed), strict=True
        ):
            assert rounding_of(float(ours), Decimal(number)), (published, printed)


def test_the_figures_stand_in_the_stored_tables() -> None:
    stored = {
        figure
        for table in published_tables()
        for row in table.rows
        if row.model == "LLaVA-v1.5-13B"
        for figure in row.figures
    }
    for heading in ("LLaVA-1.5-13B, from its authors' answers",):
        for published, *_ in list(table_under(heading))[1:]:
            assert set(re.findall(r"\d+\.\d+", published)) <= stored, published
