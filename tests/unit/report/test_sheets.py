"""Spreadsheets: whatever a model says comes back, and nothing in them is executed or cut in silence."""

from __future__ import annotations

import errno
import json
import os
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from samples import COLUMNS, rotated, sample

from vlmbench.errors import RunFolderError
from vlmbench.predictions.xlsx import MOST_CHARACTERS, excel_length, fitting, read_sheet, unescape
from vlmbench.report.exports.sheets import CutCell, column_letters, write_predictions_xlsx

HOSTILE = [
    "=1+1", '=cmd|"/c calc"!A1', "+5", "-", "@SUM(A1)", "\t=1", "\r=1", "007", "1e5", "TRUE", "#N/A", "None",
    " padded ", "\n\nlead", "a\r\nb", "a\rb", "tab\there", "<b>&amp;</b>", "]]>", '"quoted"', "'", "NA",
    "_x0041_", "_x005F_", "_x005F_x0041_", "_x0041_x0042_", "x005F_", "_x_x0041_", "_x000d_",
    "\x7f\x85\u2028", "答案是B。", "😀", "e\u0301", "\u202eleft", "https://example.org/" + "a" * 3000,
]  # fmt: skip
FORBIDDEN_IN_XML = ["\0", "a\x01b", "\x0b\x1f", "\ufffe\uffff", "\ud800", "\udc00\ud800", "_x0041\x01x0042_"]


def write(path: Path, texts: list[str]) -> Path:
    write_predictions_xlsx(path, COLUMNS, [sample(str(i)) for i in range(len(texts))], texts)
    return path


def by_us(path: Path) -> list[str | None]:
    rows = read_sheet(path).rows
    column = rows[0][1].index("prediction")
    return [cells[column] for _, cells in rows[1:]]


def by_openpyxl(path: Path, **how: Any) -> list[Any]:
    rows = list(openpyxl.load_workbook(path, **how).worksheets[0].iter_rows(values_only=True))
    column = rows[0].index("prediction")
    return [row[column] for row in rows[1:]]


def by_pandas(path: Path) -> list[str]:
    table = pd.read_excel(path, dtype=str, keep_default_na=False, na_filter=False)
    return [str(text) for text in table["prediction"]]


def test_columns_are_the_benchmark_s_without_the_picture_then_the_prediction(tmp_path: Path) -> None:
    rows = [
        sample("7", hint="look", answer="A", category="x"),
        sample("1000007", A="1", C="None"),
        sample("VD_1"),
    ]
    write_predictions_xlsx(tmp_path / "p.xlsx", COLUMNS, rows, ["A", "B", "C"])
    book = openpyxl.load_workbook(tmp_path / "p.xlsx")
    assert book.sheetnames == ["Sheet1"]
    header, *cells = book.active.iter_rows(values_only=True)
    assert header == (*(name for name in COLUMNS if name != "image"), "prediction")
    assert cells[0] == (7, "What is it?", "look", "a cat", "a dog", None, "A", "x", None, None, "A")
    assert cells[1][0] == 1000007
    assert cells[1][3:6] == ("1", "a dog", "None")
    assert cells[2][0] == "VD_1"


def test_a_column_of_numbers_alone_holds_numbers(tmp_path: Path) -> None:
    options = [("1", "0.5", "007", "1"), ("12", "-3", "8", "a dog"), ("", "2", "9", "2")]
    rows = [sample(str(n), A=a, B=b, C=c, D=d) for n, (a, b, c, d) in enumerate(options)]
    write_predictions_xlsx(tmp_path / "p.xlsx", ("index", *"ABCD"), rows, ["1", "2", "3"])
    header, *cells = openpyxl.load_workbook(tmp_path / "p.xlsx").active.iter_rows(values_only=True)
    found = [tuple(row[header.index(name)] for name in "ABCD") for row in cells]
    assert found == [(1, 0.5, "007", "1"), (12, -3, "8", "a dog"), (None, 2, "9", "2")]
    assert [row[-1] for row in cells] == ["1", "2", "3"]


def test_pandas_reads_the_file_as_vlmevalkit_would(tmp_path: Path) -> None:
    rows = rotated(3, answer="A", split="dev")
    write_predictions_xlsx(tmp_path / "p.xlsx", COLUMNS, rows, ["A"] * 6)
    table = pd.read_excel(tmp_path / "p.xlsx")
    assert table["index"].tolist() == [0, 1, 2, 1000000, 1000001, 1000002]
    assert table["index"].dtype == "int64"
    assert set(table["prediction"]) == {"A"}


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_comes_back_from_every_reader(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "p.xlsx", [text])
    assert by_us(path) == [text]
    assert by_openpyxl(path) == [text]
    assert by_openpyxl(path, read_only=True, data_only=True) == [text]
    assert by_pandas(path) == [text]


@pytest.mark.parametrize("text", FORBIDDEN_IN_XML)
def test_characters_that_xml_forbids_come_back_escaped_where_a_reader_undoes_no_escapes(
    tmp_path: Path, text: str
) -> None:
    path = write(tmp_path / "p.xlsx", [text])
    escaped = "".join(f"_x{ord(c):04X}_" if ord(c) < 32 or ord(c) >= 0xD800 else c for c in text)
    assert by_us(path) == [text]
    assert by_openpyxl(path) == by_pandas(path) == [escaped]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(st.lists(st.text(st.characters() | st.sampled_from("_x0041F=\r\n"), max_size=24), max_size=8))
def test_any_text_comes_back(tmp_path: Path, texts: list[str]) -> None:
    path = write(tmp_path / "p.xlsx", texts)
    assert by_us(path) == texts
    plain = [t for t in texts if XML_HOLDS.fullmatch(t)]
    assert by_openpyxl(write(path, plain)) == plain


XML_HOLDS = re.compile("[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


@pytest.mark.parametrize("text", ["=1+1", "+x", "-x", "@x", "\t=1", "\r=1"])
def test_what_looks_like_a_formula_is_text_and_stays_so_when_edited(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "p.xlsx", [text])
    cell = openpyxl.load_workbook(path).active["K2"]
    assert cell.value == text
    assert cell.data_type == "s"
    assert cell.quotePrefix
    assert cell.number_format == "@"
    with zipfile.ZipFile(path) as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("text", ["-5", "+3.5", "-1e5", "A", "007"])
def test_harmless_text_has_no_special_style(tmp_path: Path, text: str) -> None:
    assert not openpyxl.load_workbook(write(tmp_path / "p.xlsx", [text])).active["K2"].quotePrefix


def test_questions_and_options_are_as_safe_as_answers(tmp_path: Path) -> None:
    rows = [sample("1", question="=1+1", A="-x\x01")]
    write_predictions_xlsx(tmp_path / "p.xlsx", COLUMNS, rows, ["A"])
    sheet = read_sheet(tmp_path / "p.xlsx")
    assert sheet.rows[1][1][:4] == ["1", "=1+1", None, "-x\x01"]
    assert not sheet.formulas


def test_a_text_that_fits_exactly_is_whole(tmp_path: Path) -> None:
    text = "x" * MOST_CHARACTERS
    path = write(tmp_path / "p.xlsx", [text])
    assert by_us(path) == by_pandas(path) == [text]
    assert openpyxl.load_workbook(path).sheetnames == ["Sheet1"]


def test_a_text_that_is_too_long_is_cut_and_the_file_says_so(tmp_path: Path) -> None:
    texts = ["A", "y" * 40_000, "B"]
    cut = write_predictions_xlsx(tmp_path / "p.xlsx", COLUMNS, [sample(str(i)) for i in range(3)], texts)
    assert cut == (CutCell(index="1", column="prediction", characters=40_000),)
    assert by_us(tmp_path / "p.xlsx") == ["A", "y" * MOST_CHARACTERS, "B"]
    notes = openpyxl.load_workbook(tmp_path / "p.xlsx")["cut"]
    assert list(notes.iter_rows(values_only=True))[1] == ("1", "prediction", 40_000)


@given(st.integers(MOST_CHARACTERS - 3, MOST_CHARACTERS + 3), st.integers(0, 5))
def test_the_limit_counts_as_excel_does_and_halves_no_character(plain: int, wide: int) -> None:
    text = "x" * (plain - 2 * wide) + "😀" * wide
    kept = fitting(text)
    assert text.startswith(kept)
    assert excel_length(kept) <= MOST_CHARACTERS
    assert kept == text or excel_length(kept) >= MOST_CHARACTERS - 1


def test_equal_answers_give_equal_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = write(tmp_path / "a.xlsx", HOSTILE).read_bytes()
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert write(tmp_path / "b.xlsx", HOSTILE).read_bytes() == first


def test_a_full_disk_leaves_the_old_file_and_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "p.xlsx", ["before"])

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="No space left"):
        write(path, ["after"])
    assert by_us(path) == ["before"]
    assert list(tmp_path.iterdir()) == [path]


def test_no_question_gives_a_header_alone(tmp_path: Path) -> None:
    assert by_us(write(tmp_path / "p.xlsx", [])) == []


def test_the_largest_benchmark_takes_less_than_three_seconds(tmp_path: Path) -> None:
    rows = [sample(str(i), hint="h" * 200, category="c", split="test") for i in range(6666)]
    start = time.process_time()
    write_predictions_xlsx(tmp_path / "p.xlsx", COLUMNS, rows, ["The answer is B. " * 5] * 6666)
    assert time.process_time() - start < 3


@given(st.integers(0, 16_383))
def test_column_letters_equal_openpyxl_s(number: int) -> None:
    assert column_letters(number) == openpyxl.utils.get_column_letter(number + 1)


def test_escapes_of_other_writers_are_undone() -> None:
    assert unescape("a_x000D__x005F_x0041_b_xd83d_") == "a\r_x0041_b\ud83d"
    assert json.dumps(unescape("_x0000_")) == '"\\u0000"'
