"""Anybody's predictions file: read as it stands, or refused with what to mend."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
import zipfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

from vlmbench.errors import PredictionsError
from vlmbench.predictions import read_answers
from vlmbench.report.exports.sheets import NewSheet, write_workbook


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def texts(folder: Path, name: str, content: str | bytes) -> dict[str, str | None]:
    return read_texts(written(folder, name, content))


def read_texts(path: Path) -> dict[str, str | None]:
    return {next(iter(answer.ids.values())): answer.text for answer in read_answers(path).answers}


def refusal(path: Path) -> str:
    with pytest.raises(PredictionsError) as caught:
        read_answers(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def workbook(path: Path, rows: list[list[object]], *, title: str = "Sheet1") -> Path:
    book = Workbook()
    assert book.active is not None
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.jsonl", '{"index": 3, "prediction": "A"}\n{"index": 1000003, "prediction": "it is 007"}\n'),
        ("p.jsonl", '\ufeff{"index":"3","text":"A"}\r\n\r\n{"index":"1000003","text":"it is 007"}'),
        ("p.json", '[{"index": 3, "prediction": "A"}, {"index": 1000003, "prediction": "it is 007"}]'),
        ("p.json", '{"3": "A", "1000003": "it is 007"}'),
        ("p.json", '{"3": {"prediction": "A"}, "1000003": {"prediction": "it is 007"}}'),
        ("p.tsv", "index\tquestion\tprediction\n3\tq\tA\n1000003\tq\tit is 007\n"),
        ("p.csv", 'index,prediction\r\n3,A\r\n1000003,"it is 007"\r\n'),
        ("P.CSV", "\ufeffprediction,index\nA,3\nit is 007,1000003\n"),
        ("p.csv", "index,prediction\n3,A\n1000003,it is 007\n".encode("utf-16")),
    ],
)  # fmt: skip
def test_every_layout_gives_the_same_texts(tmp_path: Path, name: str, content: str | bytes) -> None:
    assert texts(tmp_path, name, content) == {"3": "A", "1000003": "it is 007"}


@pytest.mark.parametrize("index", ["index", "id", "question_id", " Index "])
@pytest.mark.parametrize("prediction", ["prediction", "answer_pred", "response", "text", "output"])
def test_columns_may_have_other_names(tmp_path: Path, index: str, prediction: str) -> None:
    assert texts(tmp_path, "p.csv", f"{index},{prediction}\n7,B\n") == {"7": "B"}


def test_index_and_prediction_win_over_their_other_names(tmp_path: Path) -> None:
    line = '{"id": 1, "index": 2, "text": "no", "prediction": "yes"}'
    assert texts(tmp_path, "p.jsonl", line) == {"2": "yes"}


@pytest.mark.parametrize("word", ["None", "NA", "nan", "007", "5.0", "1e5", " A ", "", "TRUE"])
def test_no_word_is_taken_for_something_else(tmp_path: Path, word: str) -> None:
    assert texts(tmp_path, "p.tsv", f"index\tprediction\n1\t{word}\n") == {"1": word}
    write_workbook(tmp_path / "p.xlsx", [NewSheet("Sheet1", [["index", "prediction"], [1, word]])])
    assert read_texts(tmp_path / "p.xlsx") == {"1": word}


def test_null_is_none_and_numbers_are_their_digits(tmp_path: Path) -> None:
    lines = [
        f'{{"index": {n}, "prediction": {v}}}' for n, v in enumerate(["null", "5", "5.0", "1e3", "true"])
    ]
    assert texts(tmp_path, "p.jsonl", "\n".join(lines)) == {
        "0": None, "1": "5", "2": "5.0", "3": "1e3", "4": "true",
    }  # fmt: skip


def test_cells_of_a_foreign_workbook_are_read_as_stored(tmp_path: Path) -> None:
    rows: list[list[object]] = [["index", "prediction"]]
    rows += [[n, value] for n, value in enumerate(["A", 5, 5.5, True, None, "a\nb", "007"])]
    assert read_texts(workbook(tmp_path / "p.xlsx", rows)) == {
        "0": "A", "1": "5", "2": "5.5", "3": "True", "4": None, "5": "a\nb", "6": "007",
    }  # fmt: skip


def test_a_prediction_that_was_saved_as_a_formula_is_still_the_text(tmp_path: Path) -> None:
    path = workbook(tmp_path / "p.xlsx", [["index", "prediction"], [1, "=2+3 & more"]])
    assert read_texts(path) == {"1": "=2+3 & more"}


def test_an_index_that_became_a_fraction_is_still_the_index(tmp_path: Path) -> None:
    # pandas writes whole numbers so when the column has a gap anywhere.
    assert texts(tmp_path, "p.csv", "index,prediction\n3.0,A\n1000003.0,B\n") == {"3": "A", "1000003": "B"}


def test_text_over_several_lines_survives_in_csv(tmp_path: Path) -> None:
    said = 'one\r\ntwo, "three"\n\tfour\rfive'
    file = io.StringIO(newline="")
    csv.writer(file).writerows([["index", "prediction"], ["1", said]])
    assert texts(tmp_path, "p.csv", file.getvalue()) == {"1": said}


def test_texts_in_excel_s_shared_table_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "p.xlsx"
    write_workbook(path, [NewSheet("Sheet1", [["index", "prediction"], [1, "x"]])])
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name).decode() for name in archive.namelist()}
    relations, sheet = "xl/_rels/workbook.xml.rels", "xl/worksheets/sheet1.xml"
    shared = '<Relationship Id="s" Type="…/sharedStrings" Target="/xl/sharedStrings.xml"/></Relationships>'
    parts[relations] = parts[relations].replace("</Relationships>", shared)
    parts[sheet] = re.sub('<c r="B2".*?</c>', '<c r="B2" t="s"><v>1</v></c>', parts[sheet])
    # The second one has a reading, as Japanese and Chinese Excel keep them, and is in two runs.
    parts["xl/sharedStrings.xml"] = (
        "<sst><si><t>no</t></si>"
        "<si><r><t>東京_x000D_</t></r><r><t>!</t></r><rPh><t>トウキョウ</t></rPh></si></sst>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    assert read_texts(path) == {"1": "東京\r!"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.text(st.characters(), max_size=20), min_size=1, max_size=6))
def test_xlsx_and_jsonl_give_back_any_text_at_all(tmp_path: Path, said: list[str]) -> None:
    sheet, lines = tmp_path / "p.xlsx", tmp_path / "p.jsonl"
    write_workbook(
        sheet, [NewSheet("Sheet1", [["index", "prediction"], *([i, t] for i, t in enumerate(said))])]
    )
    lines.write_text("".join(json.dumps({"index": i, "prediction": t}) + "\n" for i, t in enumerate(said)))
    expected = {str(i): t for i, t in enumerate(said)}
    assert read_texts(sheet) == expected
    assert read_texts(lines) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
        min_size=1,
        max_size=6,
    )
)
def test_csv_gives_back_any_text_that_utf8_can_hold(tmp_path: Path, said: list[str]) -> None:
    path = tmp_path / "p.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["index", "prediction"], *enumerate(said)])
    assert read_texts(path) == {str(i): t for i, t in enumerate(said)}


def test_wrong_columns_are_answered_with_the_columns_there_are(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, "p.csv", "key,answer\n1,A\n"))
    assert "no column is called `index`; the file has `key`, `answer`." in message
    assert "`id`, `question_id` and `questionId` are accepted too" in message


@pytest.mark.parametrize(
    "header", ["key,answer", "idx,prediction", "index,said", "index;prediction", "a", ""]
)
def test_no_message_about_a_header_says_a_word_twice(tmp_path: Path, header: str) -> None:
    message = refusal(written(tmp_path, "p.csv", f"{header}\n1,A\n")).partition(": ")[2]
    words = re.findall(r"[A-Za-z]{4,}", re.sub("`[^`]*`", "", message).lower())
    assert len(words) == len(set(words)), message


def test_lines_in_a_json_file_and_a_document_in_a_jsonl_file_are_read(tmp_path: Path) -> None:
    lines = '{"index": 3, "prediction": "A"}\n{"index": 4, "prediction": "B"}\n'
    assert texts(tmp_path, "p.json", lines) == {"3": "A", "4": "B"}
    document = '[\n {"index": 3,\n  "prediction": "A"}\n]'
    assert texts(tmp_path, "p.jsonl", document) == {"3": "A"}


def test_only_the_first_sheet_is_read_and_the_message_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p.xlsx"
    sheets = [NewSheet("Notes", [["about"], ["me"]]), NewSheet("Sheet1", [["index", "prediction"], [1, "A"]])]
    write_workbook(path, sheets)
    message = refusal(path)
    assert "`Notes`" in message
    assert "Sheet1" in message


def test_the_name_of_the_sheet_does_not_matter(tmp_path: Path) -> None:
    path = workbook(tmp_path / "p.xlsx", [["index", "prediction"], [1, "A"]], title="结果")
    assert read_texts(path) == {"1": "A"}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("p.jsonl", '{"index": 1, "prediction": "A"}\n{"index": 2, "pred', "row 2: broken JSON"),
        ("p.jsonl", '{"index": 1, "prediction": "A"}\n[1]\n', "row 2: this line is a list"),
        ("p.jsonl", '{"index": 1, "prediction": ["A"]}', "this is a list; a prediction is one text"),
        ("p.jsonl", '{"index": 1, "index": 2, "prediction": "A"}', "`index` stands there twice"),
        ("p.jsonl", '{"prediction": "A", "index": null}', "no index"),
        ("p.json", '[\n{"index": 1}\n{"index": 2}]', "row 3: broken JSON"),
        ("p.json", '{"index": 1}\n{"index": 2}', "no column is called `prediction`"),
        ("p.json", '{"index": 1} {"index": 2}', "Extra data"),
        ("p.json", "5", "neither a list of records"),
        ("p.json", '{"1": "A", "1": "B"}', "`1` stands there twice"),
        ("p.jsonl", "", "no column is called `index`; the file has none at all"),
        ("p.csv", "index,prediction\n", "no rows"),
        ("p.csv", "index,prediction\n1,A,B\n", "row 2: 3 cells"),
        ("p.csv", "index,prediction,prediction\n1,A,B\n", "stands over several columns"),
        ("p.csv", "index;prediction\n1;A\n", "separated by semicolons"),
        ("p.tsv", "index,prediction\n1,A\n", "separated by commas"),
        ("p.csv", "index,predicton\n1,A\n", "Did you mean `predicton`"),
        ("p.csv", "idx,prediction\n1,A\n", "rename it to `index`"),
        ("p.jsonl", '{"index": 1, "prediction": "A"},\n' * 2, "row 1: broken JSON: this line ends in"),
        ("p.json", '{"index": 1, "prediction": "A"},\n{"index": 2, "prediction": "B"},\n', "sed -i"),
        ("p.json", '[{"index": 1, "prediction": "A"},]', "a comma stands before the closing `]`"),
        ("p.json", '[{"index": 1, "prediction": "A",}]', "a comma stands before the closing `}`"),
        ("p.json", '[{"index": 1, "prediction": "A"}', "it is cut off"),
        ("p.csv", 'index,prediction\n1,A\n2,"never closed\n3,B\n', "row 3: the record that starts here"),
        ("p.csv", "index,prediction\n1,答\n".encode("gb18030"), "row 2: not UTF-8"),
        ("p.xlsx", b"no zip at all", "not an xlsx file"),
        ("p.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted"),
        ("p.xls", b"", "Save it as `.xlsx`"),
        ("p.pkl", b"", "runs the code inside"),
        ("p.txt", b"", ".jsonl, .json, .xlsx, .tsv, .csv"),
        ("p", b"", ".jsonl"),
        ("p.eval", b"PK", "not a zip file"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_read_say_why(
    tmp_path: Path, name: str, content: str | bytes, complaint: str
) -> None:
    assert complaint in refusal(written(tmp_path, name, content))


def test_a_deeply_nested_line_is_refused(tmp_path: Path) -> None:
    line = '{"index": 1, "prediction": ' + "[" * 200_000
    assert "row 1" in refusal(written(tmp_path, "p.jsonl", line))


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "gone.jsonl")


@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.99])
def test_a_workbook_that_was_cut_off_is_refused(tmp_path: Path, left: float) -> None:
    path = workbook(tmp_path / "p.xlsx", [["index", "prediction"], [1, "A"]])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * left)])
    assert "cannot be read as a workbook" in refusal(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_damaged_workbook_never_ends_in_a_traceback(tmp_path: Path, place: int, byte: int) -> None:
    path = tmp_path / "p.xlsx"
    write_workbook(path, [NewSheet("Sheet1", [["index", "prediction"], [1, "A"]])])
    content = bytearray(path.read_bytes())
    content[place % len(content)] = byte
    path.write_bytes(content)
    with contextlib.suppress(PredictionsError):
        read_answers(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.sampled_from(["p.jsonl", "p.json", "p.csv", "p.tsv"]), st.text('{}[]",:\\n\t index1', max_size=40))
def test_a_strange_text_file_never_ends_in_a_traceback(tmp_path: Path, name: str, content: str) -> None:
    with contextlib.suppress(PredictionsError):
        read_answers(written(tmp_path, name, content))
