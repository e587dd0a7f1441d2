"""Runs without their answers, or with some of them lost: no page may call those errors."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cli.main import main
from vlmbench.report.page.texts import note_in_both, reasons_in_chinese


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of echo over a few questions of Shapes."""
    folder = tmp_path_factory.mktemp("runs") / "a"
    main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", "6", "--out", str(folder)])
    return folder


def data(page: Path, name: str) -> Any:
    found = re.search(rf'id="data-{name}">(.*?)</script>', page.read_text("utf-8"), re.DOTALL)
    assert found
    return json.loads(found[1])


def test_a_run_kept_without_answers_has_verdicts_and_no_errors(
    answered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = shutil.copytree(answered, tmp_path / "kept", ignore=shutil.ignore_patterns("responses.jsonl"))
    page = tmp_path / "page.html"
    assert main(["report", str(kept), "--out", str(page)]) == 0
    assert "its answers were not kept" in capsys.readouterr().err
    (run,) = data(page, "figures")["runs"]
    assert not run["kept"]
    assert run["latency"] is None
    assert all(under["answers"] is None for under in run["by_rules"].values())
    questions = data(page, "questions")
    assert not any(row["a"][0]["e"] for row in questions["rows"])
    assert all(number is not None for row in questions["rows"] for number in row["a"][0]["v"])


@pytest.mark.parametrize("kept", ["x", "", "first line"])
def test_answers_that_are_missing_from_the_file_are_refused(
    answered: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kept: str
) -> None:
    damaged = shutil.copytree(answered, tmp_path / "damaged")
    file = damaged / "responses.jsonl"
    file.write_text(file.read_text().splitlines(keepends=True)[0] if kept == "first line" else kept)
    assert main(["report", str(damaged), "--out", str(tmp_path / "page.html")]) == 1
    said = capsys.readouterr().err
    assert str(file) in said
    assert "The same `vlmbench run` asks again what is missing." in said
    assert not (tmp_path / "page.html").exists()


def test_verdicts_of_a_rule_set_that_were_not_kept_are_none(answered: Path, tmp_path: Path) -> None:
    run = shutil.copytree(answered, tmp_path / "strict")
    lines = [line for line in (run / "scores.jsonl").read_text().splitlines(True) if '"strict"' in line]
    (run / "scores.jsonl").write_text("".join(lines))
    assert main(["report", str(run), "--out", str(tmp_path / "page.html")]) == 0
    row = data(tmp_path / "page.html", "questions")["rows"][0]
    assert [number is None for number in row["a"][0]["v"]] == [False, True, True, True, True, True]


def test_two_runs_of_other_limits_say_what_was_left_out(answered: Path, tmp_path: Path) -> None:
    more, page = tmp_path / "more", tmp_path / "page.html"
    main(["run", "--model", "echo:C", "--bench", "Shapes_DEV_EN", "--limit", "20", "--out", str(more)])
    assert main(["report", str(answered), str(more), "--out", str(page)]) == 0
    found = data(page, "figures")["difference"]["strict"]
    assert (found["units"], found["unit"], found["n"]) == (6, "question", 6)
    assert found["quantity"] == "circular accuracy"
    assert found["left_out"] > 0
    assert found["smallest"] is None or found["smallest"] > 0
    english, chinese = found["notes"][0]
    assert english.startswith(f"{found['left_out']} rows are left out")
    assert chinese.startswith(f"有 {found['left_out']} 行")


def test_reasons_of_rule_sets_are_chinese_and_those_of_servers_stay() -> None:
    said = ["text of option B in a sentence", "letter A with the text of option C", "HTTP 500", "constructor"]
    assert reasons_in_chinese(said) == {
        "text of option B in a sentence": "句中有选项 B 的文本",
        "letter A with the text of option C": "字母 A 后面却是选项 C 的文本",
    }
    assert note_in_both("anything else") == ["anything else", "anything else"]


def test_every_reason_that_a_rule_set_gives_is_known_in_chinese() -> None:
    from vlmbench.answers.choice import find_choice
    from vlmbench.domain import RULE_SETS

    choices = {"A": "a cat", "B": "a dog", "C": "two dogs"}
    said = ("A", "a", "", "A. a cat", "a dog", "A or B", "The answer is B", "I cannot tell.", "It is a cat.",
            "option A is wrong", "B, a cat", "B B", "D", "<think>", "<think>x</think>", "Z",
            "a cat and a dog", "Is it a cat?", "Is it a cat? C", "(B) because it barks", "B is correct",
            "So B.")  # fmt: skip
    reasons = {find_choice(rules, text, choices).reason for text in said for rules in RULE_SETS}
    assert reasons - set(reasons_in_chinese(reasons)) <= {""}
