"""Submissions: complete files pass, every way to spoil one is found."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from openpyxl import load_workbook
from samples import rotated, sample

from vlmbench.domain import Sample
from vlmbench.errors import PredictionsError
from vlmbench.predictions.xlsx import MOST_CHARACTERS, read_sheet
from vlmbench.report.exports.mmbench import Finding, check_submission, write_mmbench_result
from vlmbench.report.exports.sheets import Cell, NewSheet, write_workbook

SAMPLES = rotated(3, category="colour")


def export(path: Path, samples: Sequence[Sample] = SAMPLES, texts: Sequence[str] | None = None) -> Path:
    write_mmbench_result(path, samples, texts or ["B"] * len(samples))
    return path


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def spoiled(path: Path, samples: Sequence[Sample]) -> list[Finding]:
    """What is said of a file with these rows."""
    return check_submission(export(path, samples), SAMPLES)


def changed(path: Path, place: str, value: object) -> list[Finding]:
    """What is said when somebody edits one cell with another program."""
    book = load_workbook(export(path))
    book.active[place] = value
    book.save(path)
    return check_submission(path, SAMPLES)


def test_a_complete_file_has_no_findings(tmp_path: Path) -> None:
    assert check_submission(export(tmp_path / "r.xlsx", SAMPLES, ["B"] * 6), SAMPLES) == []


def test_every_row_is_in_the_file_in_order_even_without_an_answer(tmp_path: Path) -> None:
    path = export(tmp_path / "r.xlsx", texts=["A", "", "C", "D", "E", "F"])
    header, *rows = [cells for _, cells in read_sheet(path).rows]
    indexes = [row[header.index("index")] for row in rows]
    assert indexes == [s.id for s in SAMPLES]
    assert [row[header.index("prediction")] for row in rows] == ["A", "", "C", "D", "E", "F"]


def test_options_of_later_rows_and_answers_come_last(tmp_path: Path) -> None:
    rows = [sample("0", answer="A"), sample("1", C="a bus", D="a car")]
    header = read_sheet(export(tmp_path / "r.xlsx", rows)).rows[0][1]
    assert header == ["question", "A", "B", "prediction", "category", "index", "split", "answer", "C", "D"]


def test_an_option_called_none_is_kept(tmp_path: Path) -> None:
    rows = [sample("0", A="None", B="NA")]
    path = export(tmp_path / "r.xlsx", rows)
    assert read_sheet(path).rows[1][1][1:3] == ["None", "NA"]
    assert check_submission(path, rows) == []


def test_a_tsv_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "r.tsv"
    with path.open("w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file, delimiter="\t")
        lines.writerow(["index", "question", "A", "B", "category", "prediction"])
        lines.writerows([s.id, s.question, *s.choices.values(), "colour", "=B1"] for s in SAMPLES)
    findings = check_submission(path, SAMPLES)
    assert {(f.level, f.key) for f in findings} == {("warning", "prediction")}
    assert "executes" in findings[0].what


def test_a_missing_rotation_is_told_from_a_missing_question(tmp_path: Path) -> None:
    rotation = only(spoiled(tmp_path / "a.xlsx", SAMPLES[:-1]))
    assert (rotation.level, rotation.row) == ("error", "1000002")
    assert "other rotations" in rotation.what
    question = only(spoiled(tmp_path / "b.xlsx", [s for s in SAMPLES if s.group != "1"]))
    assert "2 rows are missing: 1, 1000001" in question.what


def test_base_rows_alone_are_no_submission(tmp_path: Path) -> None:
    assert "3 rows are missing although" in only(spoiled(tmp_path / "r.xlsx", SAMPLES[:3])).what


def test_foreign_and_repeated_rows_are_found(tmp_path: Path) -> None:
    findings = spoiled(tmp_path / "r.xlsx", [*SAMPLES, SAMPLES[0], sample("77", category="colour")])
    assert [(f.level, f.row) for f in findings] == [("error", "0"), ("error", "77")]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_an_empty_prediction_is_found(tmp_path: Path, text: str) -> None:
    finding = only(check_submission(export(tmp_path / "r.xlsx", SAMPLES, ["A", text, *"AAAA"]), SAMPLES))
    assert (finding.level, finding.row, finding.key) == ("error", "1", "prediction")


@pytest.mark.parametrize("text", ["=1+1", "+1 of them", "-A", "@A"])
def test_text_that_looks_like_a_formula_is_fine_as_we_write_it(tmp_path: Path, text: str) -> None:
    assert check_submission(export(tmp_path / "r.xlsx", SAMPLES, [text] * 6), SAMPLES) == []


def test_a_formula_is_found(tmp_path: Path) -> None:
    finding = only(changed(tmp_path / "r.xlsx", "D2", '=HYPERLINK("http://x")'))
    assert (finding.level, finding.row, finding.key) == ("error", "0", "prediction")
    assert "formula" in finding.what


def test_a_text_that_was_cut_is_found(tmp_path: Path) -> None:
    finding = only(check_submission(export(tmp_path / "r.xlsx", SAMPLES, ["x" * 40_000, *"AAAAA"]), SAMPLES))
    assert (finding.level, finding.row) == ("warning", "0")
    assert "responses.jsonl" in (finding.fix or "")


def test_a_text_that_excel_would_cut_is_found(tmp_path: Path) -> None:
    header: list[Cell] = ["index", "question", "A", "B", "prediction"]
    rows: list[list[Cell]] = [
        [int(s.id), s.question, *s.choices.values(), "x" * (MOST_CHARACTERS + 1)] for s in SAMPLES
    ]
    write_workbook(tmp_path / "r.xlsx", [NewSheet("Sheet1", [header, *rows])])
    errors = [f for f in check_submission(tmp_path / "r.xlsx", SAMPLES) if f.level == "error"]
    assert [f.row for f in errors] == [s.id for s in SAMPLES]
    assert "32768 characters" in errors[0].what


@pytest.mark.parametrize(
    ("place", "finding"),
    [
        ("A1", ("error", "question")),
        ("B1", ("error", "A")),
        ("D1", ("error", "prediction")),
        ("E1", ("warning", "category")),
    ],
)
def test_a_missing_column_is_found(tmp_path: Path, place: str, finding: tuple[str, str]) -> None:
    findings = changed(tmp_path / "r.xlsx", place, "other")
    assert finding in [(f.level, f.key) for f in findings]


def test_a_repeated_column_is_found(tmp_path: Path) -> None:
    assert "2 columns `A`" in changed(tmp_path / "r.xlsx", "C1", "A")[0].what


def test_rows_that_carry_another_question_s_options_are_found(tmp_path: Path) -> None:
    finding = only(changed(tmp_path / "r.xlsx", "B3", "a horse"))
    assert (finding.level, finding.row, finding.key) == ("warning", "1", "A")


def test_another_sheet_name_is_found(tmp_path: Path) -> None:
    book = load_workbook(export(tmp_path / "r.xlsx"))
    book.active.title = "Tabelle1"
    book.save(tmp_path / "r.xlsx")
    assert "`Tabelle1`" in only(check_submission(tmp_path / "r.xlsx", SAMPLES)).what


def test_what_pandas_does_to_a_table_is_no_finding(tmp_path: Path) -> None:
    rows = [sample("0", question="one\r\ntwo", A="1", B="None"), sample("1", A="2.0", B="b")]
    path = export(tmp_path / "r.xlsx", rows)
    book = load_workbook(path)
    for place, value in {"A2": "one\ntwo", "B2": 1, "C2": None, "B3": 2}.items():
        book.active[place] = value
    book.save(path)
    assert check_submission(path, rows) == []


def test_other_kinds_of_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match="xlsx or a tsv"):
        check_submission(tmp_path / "r.json", SAMPLES)
