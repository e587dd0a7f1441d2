"""No headline shrinks without a word: what it does not count is counted beside it, named, and bounded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cli.main import main

ROTATED = "index\tquestion\tA\tB\tC\tD\tanswer\tcategory\n" + "".join(
    f"{index}\tWhich?\t{a}\t{b}\t{c}\t{d}\t{answer}\tanimals\n"
    for index, a, b, c, d, answer in (
        (1, "cat", "dog", "cow", "All of these", "A"),
        (1000001, "cow", "cat", "dog", "All of these", "B"),
        (2000001, "dog", "cow", "cat", "All of these", "C"),
        (2, "cat", "dog", "", "", "A"),
        (1000002, "dog", "cat", "", "", "B"),
        (3, "red", "blue", "", "", "B"),
        (1000003, "blue", "red", "", "", "A"),
    )
)
RIGHT = {"1": "A", "1000001": "B", "2000001": "C", "2": "A", "1000002": "B", "3": "B", "1000003": "A"}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))


def score(
    bench: str, table: str, said: dict[str, str], capsys: pytest.CaptureFixture[str], *flags: str
) -> tuple[int, dict[str, Any], str]:
    """Exit code, results document and what went to standard error."""
    Path("table.tsv").write_text(table, "utf-8")
    lines = [json.dumps({"index": index, "prediction": text}) for index, text in said.items()]
    Path("said.jsonl").write_text("\n".join(lines), "utf-8")
    command = ["score", "--bench", bench, "--data", "table.tsv", "--predictions", "said.jsonl"]
    code = main([*command, "--format", "json", *flags])
    out, err = capsys.readouterr()
    return code, json.loads(out), err


def test_a_question_whose_last_option_stays_in_its_place_counts(capsys: pytest.CaptureFixture[str]) -> None:
    code, document, _ = score("MMBench_DEV_EN", ROTATED, RIGHT | {"1": "D"}, capsys)
    assert (code, document["complete"]) == (0, True)
    assert (document["headline"]["n"], document["headline"]["value"]) == (3, pytest.approx(2 / 3))
    assert document["unscored"] == {"count": 0, "reasons": {}, "first": []}


def test_a_question_without_all_its_answers_is_named_and_bounded(capsys: pytest.CaptureFixture[str]) -> None:
    said = {index: text for index, text in RIGHT.items() if index != "2000001"}
    code, document, err = score("MMBench_DEV_EN", ROTATED, said, capsys, "--allow-missing")
    assert (code, document["complete"], document["headline"]["n"]) == (4, False, 2)
    reason = "row 2000001 not scored: not answered"
    assert document["unscored"] == {"count": 1, "reasons": {reason: 1}, "first": ["1"]}
    assert document["bounds"] == [pytest.approx(2 / 3), 1.0]
    assert f"unscored: 1 question, see --rows OUT.jsonl: 1 ({reason})" in err
    # The toolkits forgive it, which is counted as a missing answer all the same.
    assert document["by_rules"]["vlmevalkit"]["headline"]["n"] == 3
    assert document["rows"] == {"asked": 7, "answered": 6}


def test_a_question_that_a_toolkit_drops_is_counted_under_its_rules(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = {index: text for index, text in RIGHT.items() if index != "1"}
    code, document, _ = score(
        "MMBench_DEV_EN", ROTATED, said, capsys, "--allow-missing", "--rules", "vlmevalkit"
    )
    assert (code, document["headline"]["n"]) == (4, 2)
    assert document["unscored"]["reasons"] == {"base row 1 is missing": 1}
    assert document["bounds"] == [pytest.approx(2 / 3), 1.0]


def test_a_row_that_is_no_question_is_not_scored_in_silence(capsys: pytest.CaptureFixture[str]) -> None:
    table = "index\tquestion\tA\tB\tanswer\n1\tq\tcat\tdog\tA\n2\tq\tcat\tdog\tE\n"
    code, document, err = score("table.tsv", table, {"1": "A", "2": "A"}, capsys)
    assert (code, document["headline"]["n"], document["headline"]["value"]) == (4, 1, 1.0)
    assert "2 (the answer `E` names no option of this row (A, B))" in err
    assert document["bounds"] == [0.5, 1.0]


def test_a_rule_set_counts_what_it_has_no_rule_for(capsys: pytest.CaptureFixture[str]) -> None:
    rows = ("1\tq\tcat\tdog\tA\tvalidation", "2\tHow many?\t\t\t4\tvalidation")
    table = "\n".join(("index\tquestion\tA\tB\tanswer\tsplit", *rows, ""))
    _, document, _ = score("MMMU_DEV_VAL", table, {"1": "A", "2": "4"}, capsys)
    assert document["complete"]
    under = document["by_rules"]["xtuner"]
    assert (under["headline"]["n"], under["unscored"]["count"]) == (1, 1)
    assert under["unscored"]["reasons"] == {"xtuner scores multiple choice only": 1}


def test_rows_of_mmmu_without_a_split_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    rows = ("1\tq\tcat\tdog\tA\tvalidation", "2\tq\tcat\tdog\tA\t")
    table = "\n".join(("index\tquestion\tA\tB\tanswer\tsplit", *rows, ""))
    _, document, _ = score("MMMU_DEV_VAL", table, {"1": "A", "2": "A"}, capsys)
    (lost,) = (m for m in document["metrics"] if m["name"] == "rows of no split")
    assert (document["headline"]["n"], lost["value"], lost["n"]) == (1, 1, 2)


def pope(*splits: str) -> str:
    lines = [
        f"{number}\tIs it there?\t{'Yes' if number % 2 else 'No'}\t{split}\n"
        for number, split in enumerate(splits)
    ]
    return "index\tquestion\tanswer\tcategory\n" + "".join(lines)


def test_pope_leads_with_the_mean_of_its_splits_and_counts_what_is_in_none(
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = pope(*["random", "popular", "adversarial"] * 2, "elsewhere")
    _, document, _ = score("POPE", table, {str(n): "Yes" if n % 2 else "No" for n in range(7)}, capsys)
    first, second = document["metrics"][:2]
    assert (first["name"], second["name"]) == ("mean F1 of the splits", "F1")
    assert document["by_rules"]["vlmevalkit"]["headline"]["name"] == "F1"
    (outside,) = (m for m in document["metrics"] if m["name"] == "questions in none of the splits")
    assert (outside["value"], outside["n"]) == (1, 7)


def test_pope_without_its_splits_leads_with_f1_over_all(capsys: pytest.CaptureFixture[str]) -> None:
    _, document, _ = score("POPE", pope("random", "random"), {"0": "No", "1": "Yes"}, capsys)
    assert (document["headline"]["name"], document["headline"]["value"]) == ("F1", 1.0)


def test_bounds_of_f1_suppose_the_opposite_of_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    said = {"1": "Yes", "3": "Yes"}  # rows 0 and 2, whose answer is No, may still say Yes
    code, document, _ = score("POPE", pope(*["random"] * 4), said, capsys, "--allow-missing")
    assert (code, document["headline"]["value"]) == (4, 1.0)
    assert document["bounds"] == [pytest.approx(2 / 3), 1.0]


def test_bounds_suppose_an_answer_where_the_file_has_a_broken_one(capsys: pytest.CaptureFixture[str]) -> None:
    table = pope("random", "random", "random") + "3\tIs it there?\tMaybe\trandom\n"
    code, document, _ = score("POPE", table, {"0": "No", "1": "Yes", "2": "No", "3": "Yes"}, capsys)
    assert (code, document["headline"]["value"]) == (4, 1.0)
    assert document["bounds"] == [pytest.approx(2 / 3), 1.0]


def test_questions_outside_the_categories_of_mme_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    table = "index\tcategory\tquestion\tanswer\timage_path\n" + "".join(
        f"{n}\t{'OCR' if n < 2 else 'taste'}\tq\t{'Yes' if n % 2 else 'No'}\tOCR/{n // 2}.jpg\n"
        for n in range(4)
    )
    _, document, _ = score("MME", table, dict.fromkeys("0123", "Yes"), capsys)
    (outside,) = (m for m in document["metrics"] if m["name"] == "questions in no category of MME")
    assert (outside["value"], outside["unit"]) == (2, "questions")


def test_hallusionbench_says_how_many_questions_go_without_a_picture(
    capsys: pytest.CaptureFixture[str],
) -> None:
    indexes = ["VD_map_1_0_1_0", "VD_map_1_0_1_1", "VD_map_0_0_1_0"]
    table = "index\tquestion\tanswer\n" + "".join(f"{index}\tq\tYes\n" for index in indexes)
    code, document, _ = score("HallusionBench", table, dict.fromkeys(indexes[:2], "Yes"), capsys)
    assert (code, document["headline"]["n"], document["left_out"]) == (0, 1, 1)


@pytest.mark.parametrize("there", [True, False], ids=["pictures there", "no pictures"])
def test_scoring_needs_no_pictures_and_gives_the_same_interval(
    there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    from tiny_models import picture

    names = [f"{n // 4}.png" for n in range(40)]
    if there:
        for number, name in enumerate(dict.fromkeys(names)):
            Path(name).write_bytes(picture(4, 4, number))
    table = "index\tquestion\tanswer\timage_path\n" + "".join(
        f"{n}\tq\tYes\t{name}\n" for n, name in enumerate(names)
    )
    said = {str(n): "Yes" if n // 4 % 2 else "No" for n in range(40)}
    code, document, _ = score("table.tsv", table, said, capsys)
    assert (code, document["headline"]["value"], document["headline"]["n"]) == (0, 0.5, 10)
    assert document["headline"]["stderr"] == pytest.approx(0.1667, abs=1e-3)


def test_blink_has_the_mean_of_its_tasks_beside_its_accuracy(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [f"{n}\tq\ta\tb\tA\t{'Jigsaw' if n < 3 else 'Counting'}" for n in range(4)]
    table = "\n".join(("index\tquestion\tA\tB\tanswer\tcategory", *rows, ""))
    _, document, _ = score("BLINK", table, dict(zip("0123", "AAAB", strict=True)), capsys)
    accuracy, mean = document["metrics"][:2]
    assert (accuracy["value"], mean["name"], mean["value"]) == (0.75, "mean of the tasks", 0.5)
