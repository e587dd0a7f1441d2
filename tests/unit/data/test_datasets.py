"""Files of other layouts become the same table as a TSV; what is wrong with a row is that row's problem."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from datasets_made import png, shown, write_lines, write_parquet

from vlmbench.data.sources.opening import open_dataset
from vlmbench.domain import Row
from vlmbench.errors import DataError, UnknownName, UserError

CHOICES = {
    "question": ["What colour?", "Which one?"],
    "options": [["red", "blue"], ["cat", "dog", "cow"]],
    "answer": ["1", "0"],
    "image": [shown("red"), shown("blue")],
}


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))


def rows_of(path: Path, given: dict[str, Any] | None = None) -> list[Row]:
    return list(open_dataset(str(path), given or {}).rows())


def test_a_row_of_parquet_has_the_columns_of_a_tsv_and_its_picture_by_digest(tmp_path: Path) -> None:
    table = open_dataset(str(write_parquet(tmp_path / "mine.parquet", CHOICES)), {})
    first = next(table.rows())
    assert first.cells == {
        "index": "0",
        "question": "What colour?",
        "answer": "B",
        "A": "red",
        "B": "blue",
    }
    assert first.images == (hashlib.sha256(png("red")).hexdigest(),)
    assert table.images[first.images[0]] == png("red")
    assert table.columns == ("index", "question", "answer", "A", "B", "C")


@pytest.mark.parametrize(
    ("options", "answer", "letter"),
    [
        (["red", "blue"], "B", "B"),
        (["red", "blue"], "(b)", "B"),
        (["red", "blue"], "blue", "B"),
        (["red", "blue"], 1, "B"),
        ('["red", "blue"]', "1", "B"),
        ("['red', 'blue']", "B", "B"),
        ({"A": "red", "B": "blue"}, "B", "B"),
        ({"text": ["red", "blue"], "label": ["A", "B"]}, "B", "B"),
        ("A. red\nB. blue", "B. blue", "B"),
        (["A. red", "B. blue"], "A", "A"),
        (["1", "2"], "2", "B"),
    ],
)
def test_options_and_answers_are_read_in_the_forms_they_are_published_in(
    tmp_path: Path, options: Any, answer: Any, letter: str
) -> None:
    lines = [{"question": "Which?", "choices": options, "label": answer}]
    (row,) = rows_of(write_lines(tmp_path / "mine.jsonl", lines))
    assert (row.problem, row.cells["answer"]) == (None, letter)
    assert len(row.choices) == 2
    assert not any(text.startswith(("A.", "B.")) for text in row.choices.values())


def test_numbers_from_one_are_told_from_numbers_from_zero(tmp_path: Path) -> None:
    lines = [{"question": "?", "options": ["a", "b", "c"], "answer": n} for n in (1, 2, 3)]
    assert [r.cells["answer"] for r in rows_of(write_lines(tmp_path / "m.jsonl", lines))] == ["A", "B", "C"]


def test_a_class_label_is_its_name_or_its_number(tmp_path: Path) -> None:
    from datasets import ClassLabel, Features, Image, Sequence, Value

    features = Features(
        {
            "question": Value("string"),
            "options": Sequence(Value("string")),
            "answer": ClassLabel(names=["A", "B", "C"]),
            "subject": ClassLabel(names=["art", "physics"]),
            "images": Sequence(Image()),
        }
    )
    columns = {
        "question": ["Which?"],
        "options": [["red", "blue"]],
        "answer": [1],
        "subject": [1],
        "images": [[shown("red"), shown("blue")]],
    }
    (row,) = rows_of(write_parquet(tmp_path / "mine.parquet", columns, features))
    assert (row.cells["answer"], row.cells["category"], len(row.images)) == ("B", "physics", 2)


def test_pictures_stand_in_numbered_columns_and_their_tags_in_the_text(tmp_path: Path) -> None:
    columns = {
        "question": ["<image 1> beside <image 2>?"],
        "image_1": [shown("red")],
        "image_2": [shown("blue")],
        "image_10": [{"bytes": None, "path": None}],
        "answer": ["no"],
    }
    (row,) = rows_of(write_parquet(tmp_path / "m.parquet", columns))
    assert row.cells["question"] == "<image 1> beside <image 2>?"
    assert row.images == tuple(hashlib.sha256(png(c)).hexdigest() for c in ("red", "blue"))


@pytest.mark.parametrize(
    "turns",
    [
        {
            "messages": [
                {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Colour?"}]},
                {"role": "assistant", "content": "red"},
            ]
        },
        {"conversations": [{"from": "human", "value": "<image>\nColour?"}, {"from": "gpt", "value": "red"}]},
    ],
)
def test_a_conversation_is_a_question_and_its_answer(tmp_path: Path, turns: dict[str, Any]) -> None:
    (tmp_path / "red.png").write_bytes(png("red"))
    (row,) = rows_of(write_lines(tmp_path / "mine.jsonl", [turns | {"images": ["red.png"]}]))
    assert (row.cells["question"], row.cells["answer"], len(row.images)) == ("Colour?", "red", 1)


def test_a_map_joins_columns_and_names_the_rest(tmp_path: Path) -> None:
    lines = [{"q": "Which?", "note": "look", "opts": {"x": 1, "y": 2}, "right": 2, "nr": "a7"}]
    given = {"question": "{q}\n{note}", "options": "opts", "answer": "right", "answer-is": "number"}
    (row,) = rows_of(write_lines(tmp_path / "mine.jsonl", lines), given | {"index": "nr"})
    assert (row.index, row.cells["question"]) == ("a7", "Which?\nlook")
    assert (row.choices, row.cells["answer"]) == ({"A": "1", "B": "2"}, "B")


def test_a_column_names_rows_only_where_no_name_comes_twice(tmp_path: Path) -> None:
    lines = [{"id": 5, "question_id": n, "question": "?", "answer": "x"} for n in (7, 8)]
    assert [row.index for row in rows_of(write_lines(tmp_path / "mine.jsonl", lines))] == ["7", "8"]


@pytest.mark.parametrize("write", ["parquet", "stream", "file", "csv"])
def test_every_format_gives_the_same_rows(tmp_path: Path, write: str) -> None:
    from datasets import Dataset

    columns = {"question": ["a?", "b?"], "answer": ["x", "y"], "subject": ["s", "t"]}
    data = Dataset.from_dict(columns)
    folder = tmp_path / "mine"
    if write == "stream":
        data.save_to_disk(folder)
    elif write == "csv":
        folder.mkdir()
        data.to_csv(folder / "test.csv")
    elif write == "parquet":
        write_parquet(folder / "data" / "test-00000-of-00002.parquet", {k: v[:1] for k, v in columns.items()})
        write_parquet(folder / "data" / "test-00001-of-00002.parquet", {k: v[1:] for k, v in columns.items()})
    else:
        import pyarrow as pa

        folder.mkdir()
        with pa.ipc.new_file(folder / "test.arrow", data.data.table.schema) as file:
            file.write_table(data.data.table)
    cells = [dict(row.cells) for row in rows_of(folder)]
    assert [c["question"] + c["answer"] + c["category"] for c in cells] == ["a?xs", "b?yt"]


def test_a_cell_of_a_csv_may_hold_a_large_picture(tmp_path: Path) -> None:
    picture = png("red") + bytes(200_000)
    cell = base64.b64encode(picture).decode()
    (tmp_path / "mine.csv").write_text(f"question,answer,image\n?,x,{cell}\n")
    (row,) = rows_of(tmp_path / "mine.csv")
    assert row.images == (hashlib.sha256(picture).hexdigest(),)


def test_a_folder_of_several_splits_is_asked_for_one(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_parquet(tmp_path / "mine" / f"{split}-00000-of-00001.parquet", CHOICES)
    with pytest.raises(DataError, match=r"mine/test`, `.*mine/train`"):
        open_dataset(str(tmp_path / "mine"), {})
    assert open_dataset(str(tmp_path / "mine" / "test"), {}).name == "mine_test"
    with pytest.raises(UnknownName, match="Did you mean test"):
        open_dataset(str(tmp_path / "mine" / "tst"), {})


def test_what_is_wrong_with_a_row_is_that_row_s_problem(tmp_path: Path) -> None:
    good = {"question": "?", "options": '["a", "b"]', "answer": "A", "image": "red.png"}
    (tmp_path / "red.png").write_bytes(png("red"))
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    bad = [
        {"options": "['a', "},
        {"answer": "D"},
        {"options": 7},
        {"image": "bad.png"},
        {"image": "../red.png"},
        {"image": "https://example.org/red.png"},
        {"image": 5},
        {"options": "[" * 400},
    ]
    rows = rows_of(write_lines(tmp_path / "mine.jsonl", [good, *(good | change for change in bad)]))
    problems = [row.problem for row in rows]
    assert problems[0] is None
    for problem, part in zip(
        problems[1:],
        (
            "start like a list",
            "`D` is no option",
            "neither a list",
            "not a picture",
            "outside",
            "is an address",
            "its picture is a int",
            "start like a list",
        ),
        strict=True,
    ):
        assert problem is not None
        assert part in problem


def test_columns_that_nobody_knows_are_shown_with_their_types_and_the_first_row(tmp_path: Path) -> None:
    columns = {f"c{n}": ["x\u202ey"] for n in range(11)} | {"p": [shown("red")]}
    with pytest.raises(DataError) as caught:
        open_dataset(str(write_parquet(tmp_path / "m.parquet", columns)), {})
    text = str(caught.value)
    assert all(part in text for part in ("`c10` (text)", "`p` (picture)", "picture of", "bytes", "--map"))
    assert "\u202e" not in text


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"answer": "rihgt"}, "`rihgt`, which is not there"),
        ({"question": "{question} {hnit}"}, "`hnit`, which is not there"),
        ({"images": "price"}, "`price` is mapped to pictures and is whole number"),
        ({"question": "image"}, "`image` is mapped to text and is picture"),
    ],
)
def test_a_map_that_does_not_fit_shows_the_columns(tmp_path: Path, given: dict[str, str], part: str) -> None:
    columns = {"question": ["?"], "answer": ["x"], "price": [3], "image": [shown("red")]}
    with pytest.raises(DataError, match="Its columns: `question`") as caught:
        open_dataset(str(write_parquet(tmp_path / "m.parquet", columns)), given)
    assert part in str(caught.value)


def test_a_broken_file_in_the_middle_is_named(tmp_path: Path) -> None:
    for n in range(3):
        write_parquet(tmp_path / "mine" / f"test-0000{n}-of-00003.parquet", CHOICES)
    broken = tmp_path / "mine" / "test-00001-of-00003.parquet"
    broken.write_bytes(broken.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"test-00001-of-00003.parquet: the file is damaged"):
        open_dataset(str(tmp_path / "mine"), {})


def test_half_of_a_surrogate_pair_in_json_is_a_question_mark(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text('{"question": "Is it \\ud83d?", "answer": "Yes", "id": "a\\udc00"}\n', "utf-8")
    (row,) = rows_of(file)
    assert (row.index, row.cells["question"]) == ("a?", "Is it ??")


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"question": "?", "answer": "x"}\n{"question": \n')
    with pytest.raises(DataError, match="line 2 is not JSON"):
        open_dataset(str(tmp_path / "mine.jsonl"), {})


def test_a_split_without_rows_is_an_error(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "m.parquet", {"question": [], "answer": []})
    with pytest.raises(DataError, match="this split has no rows"):
        open_dataset(str(path), {})


def test_columns_of_several_types_are_read_cell_by_cell(tmp_path: Path) -> None:
    lines = [{"question": "?", "answer": a} for a in (4, "four", ["4", "four"], 4.5, True)]
    answers = [row.cells["answer"] for row in rows_of(write_lines(tmp_path / "m.jsonl", lines))]
    assert answers == ["4", "four", "['4', 'four']", "4.5", "Yes"]


def test_the_second_opening_reads_nothing_and_another_map_is_another_table(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "mine.parquet", CHOICES)
    first = open_dataset(str(path), {})
    again, other = open_dataset(str(path), {}), open_dataset(str(path), {"answer-is": "number"})
    assert (first.md5, first.digest) == (again.md5, again.digest)
    assert other.md5 == first.md5
    assert other.digest != first.digest
    assert json.loads(json.dumps(first.lock)) == {
        "file": "mine.parquet",
        "md5": first.md5,
        "with pictures": first.digest,
    }


def test_rows_without_a_name_are_numbered_from_where_the_map_says(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "mine.parquet", CHOICES)
    assert [row.index for row in rows_of(path)] == ["0", "1"]
    assert [row.index for row in rows_of(path, {"first-index": 1})] == ["1", "2"]
    with pytest.raises(UserError, match="must be a whole number, not `one`"):
        rows_of(path, {"first-index": "one"})


def test_a_first_opening_does_not_wait_for_pandas(tmp_path: Path) -> None:
    code = (
        "import sys; from vlmbench.data.sources.opening import open_dataset\n"
        "rows = list(open_dataset(sys.argv[1], {}).rows())\n"
        "print(len(rows), {'pandas', 'pyarrow.compute'} & set(sys.modules))"
    )
    file = write_parquet(tmp_path / "mine.parquet", CHOICES)
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout == "2 set()\n"
