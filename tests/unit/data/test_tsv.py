"""A TSV is read as csv and pandas read it, or refused with the reason and the place."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlmbench.data import tsv
from vlmbench.data.tsv import read_header, read_rows
from vlmbench.errors import DataError


def write(folder: Path, content: bytes | str) -> Path:
    path = folder / "table.tsv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def cells_of(path: Path) -> list[tuple[str, ...]]:
    return [row.cells for row in read_rows(path)]


def complaint(path: Path, *need: str) -> str:
    with pytest.raises(DataError) as raised:
        list(read_rows(path, need))
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_rows_come_with_their_number_and_line(tmp_path: Path) -> None:
    rows = list(read_rows(write(tmp_path, 'index\tquestion\n1\t"two\nlines"\n\n2\tplain\n')))
    assert [(r.number, r.line, r.cells) for r in rows] == [
        (1, 2, ("1", "two\nlines")),
        (2, 5, ("2", "plain")),
    ]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"a tab\there"', "a tab\there"),
        ('"a ""quoted"" word"', 'a "quoted" word'),
        ('a 5" screen', 'a 5" screen'),
        ('"whole" and more', "whole and more"),
        ('""', ""),
        ('"""Yes"""', '"Yes"'),
        ('"a\r\nb"', "a\r\nb"),
        ("None", "None"),
        ("NA", "NA"),
        ("null", "null"),
        ("  spaces  ", "  spaces  "),
        ("图中有几个？", "图中有几个？"),
    ],
)
def test_a_cell_is_text_with_csv_quoting(tmp_path: Path, written: str, read: str) -> None:
    assert cells_of(write(tmp_path, f"index\tquestion\tA\n1\t{written}\tx\n")) == [("1", read, "x")]
    assert cells_of(write(tmp_path, f"index\tA\tquestion\n1\tx\t{written}")) == [("1", "x", read)]


@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_byte_order_mark_and_line_ends_do_not_matter(tmp_path: Path, bom: bytes, end: bytes) -> None:
    path = write(tmp_path, bom + end.join([b"index\tquestion", b"1\twhy", b""]))
    assert read_header(path) == ("index", "question")
    assert cells_of(path) == [("1", "why")]


def test_cells_of_megabytes_are_fine(tmp_path: Path) -> None:
    big = "A" * 5_000_000
    assert cells_of(write(tmp_path, f'index\timage\tquestion\n1\t{big}\t"{big}"\n')) == [("1", big, big)]


# pandas to_csv writes a lone carriage return without quotes, so it can only be text here.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), max_size=12)


@given(st.lists(st.tuples(TEXTS, TEXTS, TEXTS), min_size=1, max_size=5))
def test_whatever_csv_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, ...]]
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerows([("index", "question", "A"), *rows])
    assert cells_of(write(tmp_path_factory.mktemp("t"), text.getvalue())) == rows


def test_text_that_is_not_utf8_is_refused_with_its_byte_position(tmp_path: Path) -> None:
    path = write(tmp_path, b"index\tquestion\n1\tcaf\xe9\n")
    assert "byte 0xe9 at position 20 (line 2)" in complaint(path)
    path = write(tmp_path, b"\xef\xbb\xbfindex\tqu\xe9stion\n1\tx\n")
    assert path.read_bytes()[11] == 0xE9
    assert "byte 0xe9 at position 11 (line 1)" in complaint(path)


def test_nul_bytes_are_refused_with_their_position(tmp_path: Path) -> None:
    assert "NUL byte at position 18 (line 2)" in complaint(write(tmp_path, b"index\tquestion\n1\tw\0hy\n"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        ("index\tquestion\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "xlsx"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"<!DOCTYPE html>\n<title>Sign in</title>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git-lfs"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in complaint(write(tmp_path, content))


def test_a_quote_that_never_closes_is_named_by_its_line(tmp_path: Path) -> None:
    text = complaint(write(tmp_path, 'index\tquestion\n1\tfine\n2\t"open\n3\tx\n'))
    assert "cut off" in text
    assert "quote opened on line 3" in text


def test_an_endless_quote_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsv, "MAX_ROW", 10_000)
    assert "not closed within" in complaint(write(tmp_path, 'index\tquestion\n1\t"' + "line\n" * 5000))
    assert "longer than" in complaint(write(tmp_path, "index\tquestion\n1\t" + "x" * 20_000))


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_last_row_with_too_few_cells_is_a_cut_off_file(tmp_path: Path, end: str) -> None:
    text = complaint(write(tmp_path, "index\tquestion\tA\n1\tq\ta\n2\tq" + end))
    assert "row 2" in text
    assert "2 of 3 cells" in text


def test_a_row_of_another_width_elsewhere_is_its_own_problem(tmp_path: Path) -> None:
    rows = list(read_rows(write(tmp_path, "index\tquestion\tA\n1\tq\n2\tq\ta\tmore\n3\tq\ta\n")))
    assert [r.problem for r in rows] == [
        "line 2 has 2 cells where the header has 3", "line 3 has 4 cells where the header has 3", None,
    ]  # fmt: skip
    assert rows[0].by_column() == {"index": "1", "question": "q", "A": ""}


def test_header_mistakes_are_named(tmp_path: Path) -> None:
    assert "`A`: the header names this column twice" in complaint(write(tmp_path, "index\tA\tA\n1\tx\ty\n"))
    assert "lacks `question`; it has index, A" in complaint(
        write(tmp_path, "index\tA\n1\tx\n"), "index", "question"
    )
    assert "commas" in complaint(write(tmp_path, "index,question\n1,why\n"), "index", "question")


def test_a_nameless_column_is_named_as_pandas_does(tmp_path: Path) -> None:
    assert read_header(write(tmp_path, "\tindex\tquestion\n0\t1\twhy\n")) == (
        "Unnamed: 0",
        "index",
        "question",
    )


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    assert "no such file" in complaint(tmp_path / "absent.tsv")
