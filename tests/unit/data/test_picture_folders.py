"""Folders of pictures and webdataset shards as benchmarks, and what is wrong with them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from datasets_made import png, write_lines
from hub_server import serving_hub
from record_sets import write_tar

from vlmbench.data.sources.opening import open_dataset
from vlmbench.data.table import Table
from vlmbench.domain import Row, Sample
from vlmbench.errors import DataError, UnknownName
from vlmbench.registry import Registry

COLOURS = ("red", "blue", "green")
ROWS = [
    {"file_name": f"{c}.png", "question": "Which colour?", "choices": ["red", "blue"], "answer": "AB"[n % 2]}
    for n, c in enumerate(COLOURS)
]


@pytest.fixture(autouse=True)
def _apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))


def draw(folder: Path, *names: str) -> Path:
    """Pictures of these colours, by their files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / f"{name}.png").write_bytes(png(name))
    return folder


def rows_of(name: Path | str) -> list[Row]:
    return list(open_dataset(str(name), {}).rows())


def shown(table: Table) -> list[list[str]]:
    """The colours of each row's pictures, by the digests of their bytes."""
    known = {hashlib.sha256(png(colour)).hexdigest(): colour for colour in COLOURS}
    return [[known[digest] for digest in row.images] for row in table.rows()]


def samples_of(name: Path) -> list[Sample]:
    benchmark = Registry().benchmark(str(name))
    table = open_dataset(benchmark.card.file.dataset, benchmark.card.file.columns)
    return list(benchmark.samples(table.rows()))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_metadata_names_its_pictures(tmp_path: Path, kind: str) -> None:
    folder = draw(tmp_path / "set", *COLOURS)
    if kind == "jsonl":
        write_lines(folder / "metadata.jsonl", ROWS)
    else:
        lines = [f'{r["file_name"]},{r["question"]},"{r["choices"]}",{r["answer"]}' for r in ROWS]
        (folder / "metadata.csv").write_text("\n".join(["file_name,question,choices,answer", *lines]))
    assert [(s.choices, s.references, len(s.images)) for s in samples_of(folder)] == [
        ({"A": "red", "B": "blue"}, (letter,), 1) for letter in "ABA"
    ]
    assert shown(open_dataset(str(folder), {})) == [[colour] for colour in COLOURS]


def test_metadata_of_a_split_names_pictures_as_seen_from_where_it_lies(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_lines(draw(tmp_path / "set" / split, *COLOURS) / "metadata.jsonl", ROWS)
    write_lines(tmp_path / "set" / "train" / "metadata.jsonl", ROWS[:1])
    with pytest.raises(DataError, match=r"several splits.*set/test"):
        rows_of(tmp_path / "set")
    assert len(rows_of(tmp_path / "set/test")) == 3
    only = tmp_path / "one"
    write_lines(draw(only / "pictures", *COLOURS) / "metadata.jsonl", ROWS)
    assert [row.problem for row in rows_of(only)] == [None] * 3


def test_a_picture_that_is_missing_or_outside_is_its_rows_problem(tmp_path: Path) -> None:
    folder = draw(tmp_path / "set", "red")
    draw(tmp_path, "blue")
    names = ("red.png", "none.png", "../blue.png", str(tmp_path / "blue.png"))
    write_lines(folder / "metadata.jsonl", [{"file_name": n, "question": "q", "answer": "a"} for n in names])
    problems = [row.problem or "" for row in rows_of(folder)]
    assert problems[0] == ""
    assert "is not there" in problems[1]
    assert all("lies outside the table's folder" in problem for problem in problems[2:])


def test_several_pictures_of_a_row(tmp_path: Path) -> None:
    folder = draw(tmp_path / "set", *COLOURS)
    row = {"file_names": ["red.png", "blue.png"], "question": "Same?", "answer": "No"}
    write_lines(folder / "metadata.jsonl", [row])
    assert shown(open_dataset(str(folder), {})) == [["red", "blue"]]


def test_pictures_alone_are_an_error_that_says_what_to_write(tmp_path: Path) -> None:
    for folder in (draw(tmp_path / "bare", "red", "blue"), draw(tmp_path / "one" / "images", "red", "blue")):
        with pytest.raises(DataError, match=r"holds 2 pictures and nothing.*Write metadata.csv.*file_name,"):
            rows_of(folder if folder.name == "bare" else folder.parent)


def test_hidden_files_and_folders_are_no_pictures_of_a_set(tmp_path: Path) -> None:
    for colour in COLOURS:
        draw(tmp_path / "set" / colour, colour)
    draw(tmp_path / "set" / ".cache" / "red", "red")
    draw(tmp_path / "set" / "red" / ".thumbnails", "blue")
    (tmp_path / "set" / "red" / ".hidden.png").write_bytes(png("red"))
    (tmp_path / "set" / "map.yaml").write_text("question: Which colour is it?\n")
    assert [s.references for s in samples_of(tmp_path / "set")] == [("blue",), ("green",), ("red",)]


def test_class_folders_want_a_question(tmp_path: Path) -> None:
    for colour in COLOURS:
        draw(tmp_path / "set" / colour, colour)
    with pytest.raises(DataError, match=r"no column is known as the question.*`options: classes`"):
        rows_of(tmp_path / "set")
    (tmp_path / "set" / "map.yaml").write_text("question: Which of these is it?\noptions: classes\n")
    found = samples_of(tmp_path / "set")
    assert [s.references for s in found] == [("A",), ("B",), ("C",)]
    assert found[0].choices == {"A": "blue", "B": "green", "C": "red"}
    (tmp_path / "set" / "map.yaml").write_text("question: Which colour is it?\n")
    assert [s.references for s in samples_of(tmp_path / "set")] == [("blue",), ("green",), ("red",)]


def test_a_class_that_is_renamed_is_another_answer(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "map.yaml").write_text("question: Which colour is it?\n")
    for colour in ("red", "blue"):
        draw(tmp_path / "set" / "test" / colour, colour)
    (tmp_path / "set" / "test" / "map.yaml").write_text("question: Which colour is it?\n")
    assert samples_of(tmp_path / "set" / "test")[0].references == ("blue",)
    (tmp_path / "set" / "test" / "blue").rename(tmp_path / "set" / "test" / "navy")
    assert samples_of(tmp_path / "set" / "test")[0].references == ("navy",)


SHARD = [
    (f"{n}.{ending}", data)
    for n, row in enumerate(ROWS)
    for ending, data in (
        ("png", png(COLOURS[n])),
        ("json", json.dumps({k: v for k, v in row.items() if k != "file_name"}).encode()),
    )
]


def test_shards_are_read_in_order_by_their_keys(tmp_path: Path) -> None:
    for number in range(2):
        members = [(f"{number}{name}", data) for name, data in SHARD]
        write_tar(tmp_path / "set" / f"test-00000{number}.tar", members)
    table = open_dataset(str(tmp_path / "set"), {})
    assert [row.index for row in table.rows()] == ["0", "1", "2", "10", "11", "12"]
    assert shown(table) == [[colour] for colour in (*COLOURS, *COLOURS)]
    assert len(samples_of(tmp_path / "set" / "test-000001.tar")) == 3


def test_json_names_the_pictures_beside_it(tmp_path: Path) -> None:
    def row(*images: str) -> bytes:
        return json.dumps({"question": "q", "answer": "a", "images": images}).encode()

    pictures = [("0.png", png("red")), ("1.png", png("blue"))]
    members = [(f"{key}.{name}", data) for key in "ab" for name, data in pictures]
    members[2:2] = [("a.json", row("1.png", "0.png"))]
    members += [("b.json", row("0.png", "elsewhere.png"))]
    table = open_dataset(str(write_tar(tmp_path / "a.tar", members)), {})
    assert shown(table)[0] == ["blue", "red"]
    assert "elsewhere.png is not there" in str(list(table.rows())[1].problem)


def test_a_shard_that_breaks_off_in_the_middle_is_named(tmp_path: Path) -> None:
    write_tar(tmp_path / "set" / "test-000000.tar", SHARD)
    second = write_tar(tmp_path / "set" / "test-000001.tar", SHARD)
    second.write_bytes(second.read_bytes()[:2600])
    with pytest.raises(DataError, match=r"test-000001\.tar: the shard is broken"):
        rows_of(tmp_path / "set")


@pytest.mark.parametrize("name", ["../a.json", "/etc/a.json", "b/../../a.json"])
def test_a_member_that_names_a_place_outside_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match="names a place outside the shard"):
        rows_of(write_tar(tmp_path / "a.tar", [("a.png", png("red")), (name, b"{}")]))


def test_a_sample_whose_json_is_broken_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"`a\.json` is not JSON"):
        rows_of(write_tar(tmp_path / "a.tar", [("a.json", b"{")]))


def test_both_layouts_are_read_from_a_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write_lines(draw(tmp_path / "a" / "test", *COLOURS) / "metadata.jsonl", ROWS)
    write_tar(tmp_path / "b" / "test-000000.tar", SHARD)
    for colour in COLOURS:
        draw(tmp_path / "c" / "test" / colour, colour)
    with serving_hub() as hub:
        hub.use(monkeypatch, tmp_path / "home")
        for name in "abc":
            hub.add_folder(f"stranger/{name}", tmp_path / name)
        for name in "ab":
            assert shown(open_dataset(f"hf:stranger/{name}/test", {})) == [[c] for c in COLOURS]
        table = open_dataset("hf:stranger/c/test", {"question": "Which is it?", "options": "classes"})
        assert [row.cells["answer"] for row in table.rows()] == ["A", "B", "C"]
        with pytest.raises(UnknownName, match="train"):
            open_dataset("hf:stranger/a/train", {})
