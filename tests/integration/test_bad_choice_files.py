"""Multiple choice with files that are not what they should be: a clear error, or a record of the row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cli.main import main

HEADER = ("index", "question", "A", "B", "answer", "category")
ROWS = (("1", "Which?", "cat", "dog", "B", "pets"), ("2", "Which?", "cow", "pig", "A", "farm"))
LOCAL = ["--data-dir", ".", "--accept-local-data"]


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    Path(f"{name}.tsv").write_text("".join("\t".join(line) + "\n" for line in [header, *rows]), "utf-8")


def predictions(**texts: str) -> str:
    lines = (json.dumps({"index": i.removeprefix("i"), "prediction": text}) for i, text in texts.items())
    Path("said.jsonl").write_text("\n".join(lines), "utf-8")
    return "said.jsonl"


def without(column: str) -> tuple[Sequence[str], list[list[str]]]:
    keep = [i for i, name in enumerate(HEADER) if name != column]
    return [HEADER[i] for i in keep], [[row[i] for i in keep] for row in ROWS]


def score(name: str, *more: str) -> int:
    return main(["score", "--bench", name, "--data", f"{name}.tsv", "--predictions", "said.jsonl", *more])


def results(*argv: str) -> Any:
    main(["run", "--model", "echo:B", *argv, *LOCAL, "--out", "run"])
    return json.loads(Path("run/results.json").read_text("utf-8"))


@pytest.mark.parametrize("name", ["SEEDBench_IMG", "MMStar", "MMBench_DEV_EN", "MMMU_DEV_VAL", "A-OKVQA"])
def test_scoring_needs_an_answer_column(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    write(name, *without("answer"))
    predictions(i1="A", i2="B")
    assert score(name) == 1
    assert "no answers to compare with" in capsys.readouterr().err


def test_a_run_without_an_answer_column_keeps_the_answers_and_says_that_nothing_is_scored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("AI2D_TEST", *without("answer"))
    document = results("--bench", "AI2D_TEST")
    assert (document["headline"]["value"], document["withheld"], document["complete"]) == (None, True, True)
    assert "nothing is scored" in capsys.readouterr().err


def test_without_categories_there_is_the_headline_alone() -> None:
    write("RealWorldQA", *without("category"))
    document = results("--bench", "RealWorldQA")
    assert [m["level"] for m in document["metrics"]] == ["overall"]
    assert document["headline"]["value"] == 0.5


def test_an_empty_category_is_in_the_headline_only() -> None:
    write("MMStar", HEADER, [ROWS[0], (*ROWS[1][:-1], "")])
    metrics = results("--bench", "MMStar")["metrics"]
    assert [(m["name"], m["n"]) for m in metrics] == [("accuracy", 2), ("pets", 1)]


def test_an_answer_that_names_no_option_is_an_error_of_its_row() -> None:
    write("ScienceQA_TEST", HEADER, [ROWS[0], ("2", "Which?", "cow", "pig", "C", "farm")])
    document = results("--bench", "ScienceQA_TEST")
    assert (document["errors"], document["complete"]) == (1, False)
    assert document["headline"]["n"] == 1
    assert "names no option of this row (A, B)" in Path("run/responses.jsonl").read_text("utf-8")


def test_a_row_without_options_is_an_error_of_its_row() -> None:
    write("SEEDBench_IMG", HEADER, [ROWS[0], ("2", "Which?", "", "", "A", "farm")])
    assert results("--bench", "SEEDBench_IMG")["errors"] == 1
    assert "no options" in Path("run/responses.jsonl").read_text("utf-8")


def test_an_unknown_split_of_mmmu_is_an_error_of_its_row() -> None:
    write("MMMU_DEV_VAL", (*HEADER, "split"), [(*ROWS[0], "validation"), (*ROWS[1], "val")])
    document = results("--bench", "MMMU_DEV_VAL")
    assert (document["errors"], document["headline"]["n"]) == (1, 1)
    assert "`val` is not one of dev, validation" in Path("run/responses.jsonl").read_text("utf-8")


def test_predictions_of_another_benchmark_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    write("AI2D_TEST", HEADER, ROWS)
    predictions(i71="A", i72="B")
    assert score("AI2D_TEST") == 1
    assert "Is it another benchmark or split?" in capsys.readouterr().err


def test_predictions_that_hold_rows_too_many_are_refused_by_index(capsys: pytest.CaptureFixture[str]) -> None:
    write("AI2D_TEST", HEADER, ROWS)
    predictions(i1="A", i2="B", i3="A")
    assert score("AI2D_TEST") == 1
    said = capsys.readouterr().err
    assert "not in the benchmark" in said
    assert "3" in said


def test_predictions_that_lack_rows_are_refused_unless_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    write("AI2D_TEST", HEADER, ROWS)
    predictions(i1="B")
    assert score("AI2D_TEST") == 1
    assert "--allow-missing" in capsys.readouterr().err
    assert score("AI2D_TEST", "--allow-missing", "--format", "json") == 4
    assert json.loads(capsys.readouterr().out)["headline"]["n"] == 1


def test_rotations_need_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    write("mine", HEADER, [("one", *ROWS[0][1:])])
    assert main(["run", "--model", "echo", "--bench", "mine.tsv", "--circular"]) == 1
    assert "`one`" in capsys.readouterr().err
