"""Shards are read sample by sample; one that breaks off is noticed and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from record_sets import write_jsonl, write_parquet, write_tar
from tiny_models import picture

from vlmbench.errors import DataError
from vlmbench.trainers.data.shards.counting import count_samples
from vlmbench.trainers.data.shards.readers import ShardSample, read_shard

PAIR = [("a/1.json", b'{"n": 1}'), ("a/1.png", b"x"), ("a/2.txt", b"caption"), ("a/2.0.jpg", b"y")]


def samples(file: Path) -> list[ShardSample]:
    return list(read_shard(file))


def test_members_of_one_key_are_one_sample(tmp_path: Path) -> None:
    first, second = samples(write_tar(tmp_path / "a.tar", PAIR))
    assert (first.key, first.columns, [m.name for m in first.members]) == ("a/1", {"n": 1}, ["a/1.png"])
    assert (second.key, second.columns, second.row) == ("a/2", {"txt": "caption"}, 2)
    (member,) = second.members
    data = (tmp_path / "a.tar").read_bytes()
    assert data[member.offset : member.offset + member.size] == b"y"


@pytest.mark.parametrize("kind", ["parquet", "jsonl", "tar", "arrow", "stream.arrow"])
def test_samples_are_counted_without_reading_them(tmp_path: Path, kind: str) -> None:
    rows = [{"n": number, "image": {"bytes": picture(8, 8), "path": None}} for number in range(70)]
    file = tmp_path / f"a.{kind}"
    if kind == "parquet":
        write_parquet(file, rows)
    elif kind == "jsonl":
        write_jsonl(file, [{"n": row["n"]} for row in rows])
    elif kind == "tar":
        write_tar(file, [(f"{n}.{end}", b"{}") for n in range(70) for end in ("json", "png")])
    else:
        import pyarrow as pa

        table = pa.Table.from_pylist(rows)
        make = pa.ipc.new_stream if kind.startswith("stream") else pa.ipc.new_file
        with make(str(file), table.schema) as out:
            out.write_table(table)
    assert count_samples(file) == len(samples(file)) == 70


@pytest.mark.parametrize("cut", [600, 1100, 2048])
def test_a_tar_that_is_cut_off_is_an_error(tmp_path: Path, cut: int) -> None:
    file = write_tar(tmp_path / "a.tar", PAIR)
    file.write_bytes(file.read_bytes()[:cut])
    for read in (samples, count_samples):
        with pytest.raises(DataError, match=r"a\.tar: the shard is broken.*Download or write it again"):
            read(file)


def test_a_damaged_header_in_the_middle_is_an_error_and_no_end(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "a.tar", PAIR)
    data = bytearray(file.read_bytes())
    data[2 * 1024 : 2 * 1024 + 100] = b"?" * 100
    file.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"broken: no header follows `a/1\.png`"):
        samples(file)


def test_a_damaged_row_group_in_the_middle_names_the_row_before_it(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    rows = [{"id": n, "image": picture(20, 20, seed=n)} for n in range(128)]
    file = write_parquet(tmp_path / "a.parquet", rows, group=64)
    column = pq.ParquetFile(file).metadata.row_group(1).column(1)
    data = bytearray(file.read_bytes())
    data[column.data_page_offset : column.data_page_offset + 40] = b"\xff" * 40
    file.write_bytes(bytes(data))
    with pytest.raises(DataError, match=r"a\.parquet: after row 64, the file is damaged"):
        samples(file)
    file.write_bytes(bytes(data[:500]))
    with pytest.raises(DataError, match="the file is damaged"):
        samples(file)


def test_a_bad_json_is_that_samples_problem(tmp_path: Path) -> None:
    file = write_tar(tmp_path / "a.tar", [("1.json", b"{"), ("2.json", b"5"), ("3.json", b'{"n": 3}')])
    assert [bool(sample.problem) for sample in samples(file)] == [True, True, False]
    lines = tmp_path / "a.jsonl"
    lines.write_text(f"5\n{json.dumps({'n': 1})}\n{{\n")
    assert [bool(sample.problem) for sample in samples(lines)] == [True, False, True]


def test_what_is_no_shard_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"")
    with pytest.raises(DataError, match=r"not `\.gz`. Unpack it first"):
        samples(tmp_path / "a.tar.gz")
    (tmp_path / "a.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DataError, match="is a pointer of git-lfs"):
        samples(tmp_path / "a.parquet")
