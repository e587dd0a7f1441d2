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
from vlmbench.report.predictions import Predictions, match_predictions, read_predictions
from vlmbench.report.xlsx_writer import NewSheet, write_workbook


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def texts(folder: Path, name: str, content: str | bytes) -> dict[str, str | None]:
    return dict(read_predictions(written(folder, name, content)).texts)


def refusal(path: Path) -> str:
    with pytest.raises(PredictionsError) as caught:
        read_predictions(path)
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
    assert read_predictions(tmp_path / "p.xlsx").texts == {"1": word}


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
    assert read_predictions(workbook(tmp_path / "p.xlsx", rows)).texts == {
        "0": "A", "1": "5", "2": "5.5", "3": "True", "4": None, "5": "a\nb", "6": "007",
    }  # fmt: skip


def test_a_prediction_that_was_saved_as_a_formula_is_still_the_text(tmp_path: Path) -> None:
    path = workbook(tmp_path / "p.xlsx", [["index", "prediction"], [1, "=2+3 & more"]])
    assert read_predictions(path).texts == {"1": "=2+3 & more"}


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
    assert read_predictions(path).texts == {"1": "東京\r!"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.lists(st.text(st.characters(), max_size=20), min_size=1, max_size=6))
def test_xlsx_and_jsonl_give_back_any_text_at_all(tmp_path: Path, said: list[str]) -> None:
    sheet, lines = tmp_path / "p.xlsx", tmp_path / "p.jsonl"
    write_workbook(
        sheet, [NewSheet("Sheet1", [["index", "prediction"], *([i, t] for i, t in enumerate(said))])]
    )
    lines.write_text("".join(json.dumps({"index": i, "prediction": t}) + "\n" for i, t in enumerate(said)))
    expected = {str(i): t for i, t in enumerate(said)}
    assert read_predictions(sheet).texts == expected
    assert read_predictions(lines).texts == expected


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
    assert read_predictions(path).texts == {str(i): t for i, t in enumerate(said)}


def test_wrong_columns_are_answered_with_the_columns_there_are(tmp_path: Path) -> None:
    message = refusal(written(tmp_path, "p.csv", "key,answer\n1,A\n"))
    assert "`index`" in message
    assert "`key`, `answer`" in message


def test_only_the_first_sheet_is_read_and_the_message_says_so(tmp_path: Path) -> None:
    path = tmp_path / "p.xlsx"
    sheets = [NewSheet("Notes", [["about"], ["me"]]), NewSheet("Sheet1", [["index", "prediction"], [1, "A"]])]
    write_workbook(path, sheets)
    message = refusal(path)
    assert "`Notes`" in message
    assert "Sheet1" in message


def test_the_name_of_the_sheet_does_not_matter(tmp_path: Path) -> None:
    path = workbook(tmp_path / "p.xlsx", [["index", "prediction"], [1, "A"]], title="结果")
    assert read_predictions(path).texts == {"1": "A"}


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("p.jsonl", '{"index": 1, "prediction": "A"}\n{"index": 2, "pred', "row 2: broken JSON"),
        ("p.jsonl", '{"index": 1, "prediction": "A"}\n[1]\n', "row 2: this line is a list"),
        ("p.jsonl", '{"index": 1, "prediction": ["A"]}', "this is a list; a prediction is one text"),
        ("p.jsonl", '{"index": 1, "index": 2, "prediction": "A"}', "`index` stands there twice"),
        ("p.jsonl", '{"prediction": "A", "index": null}', "no index"),
        ("p.json", '[\n{"index": 1}\n{"index": 2}]', "row 3: broken JSON"),
        ("p.json", '{"index": 1}\n{"index": 2}', ".jsonl"),
        ("p.json", "5", "neither a list of records"),
        ("p.json", '{"1": "A", "1": "B"}', "`1` stands there twice"),
        ("p.jsonl", "", "no `index` column; the columns are none"),
        ("p.csv", "index,prediction\n", "no rows"),
        ("p.csv", "index,prediction\n1,A,B\n", "row 2: 3 cells"),
        ("p.csv", "index,prediction,prediction\n1,A,B\n", "several columns"),
        ("p.csv", 'index,prediction\n1,A\n2,"never closed\n3,B\n', "row 3: the record that starts here"),
        ("p.csv", "index,prediction\n1,答\n".encode("gb18030"), "row 2: not UTF-8"),
        ("p.xlsx", b"no zip at all", "no xlsx file"),
        ("p.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "encrypted"),
        ("p.xls", b"", "Save it as `.xlsx`"),
        ("p.pkl", b"", "runs the code inside"),
        ("p.txt", b"", ".jsonl, .json, .xlsx, .tsv, .csv"),
        ("p", b"", ".jsonl"),
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
        read_predictions(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=80)
@given(st.sampled_from(["p.jsonl", "p.json", "p.csv", "p.tsv"]), st.text('{}[]",:\\n\t index1', max_size=40))
def test_a_strange_text_file_never_ends_in_a_traceback(tmp_path: Path, name: str, content: str) -> None:
    with contextlib.suppress(PredictionsError):
        read_predictions(written(tmp_path, name, content))


PREDICTIONS = Predictions(Path("p.jsonl"), {"2": "B", "1": None, "3": "C"})


def test_texts_come_in_the_order_of_the_questions() -> None:
    assert match_predictions(PREDICTIONS, ["1", "2", "3"]) == [None, "B", "C"]


def test_missing_predictions_are_counted_and_named() -> None:
    with pytest.raises(PredictionsError, match=r"2 questions have .* of 5: 4, 5\..*--allow-missing"):
        match_predictions(PREDICTIONS, ["1", "2", "3", "4", "5"])


def test_missing_predictions_may_be_allowed() -> None:
    assert match_predictions(PREDICTIONS, ["1", "2", "3", "4"], allow_missing=True)[-1] is None


def test_unknown_predictions_are_counted_and_named() -> None:
    many = Predictions(Path("p.jsonl"), {str(i): "A" for i in range(10)})
    with pytest.raises(PredictionsError, match=r"8 indexes are not in .*: 2, 3, 4, 5, 6 and 3 more"):
        match_predictions(many, ["0", "1"])


def test_a_file_of_another_benchmark_is_recognised() -> None:
    with pytest.raises(PredictionsError, match="another benchmark"):
        match_predictions(PREDICTIONS, ["a", "b"])


def test_repeated_predictions_are_refused_even_if_they_agree(tmp_path: Path) -> None:
    read = read_predictions(written(tmp_path, "p.csv", "index,prediction\n1,A\n1,A\n2,B\n"))
    with pytest.raises(PredictionsError, match=r"1 index has more than one prediction: 1\."):
        match_predictions(read, ["1", "2"])


def test_a_result_file_with_base_rows_only_is_recognised() -> None:
    with pytest.raises(PredictionsError, match="base rows only"):
        match_predictions(PREDICTIONS, ["1", "2", "3", "1000001", "1000002", "2000002"])
