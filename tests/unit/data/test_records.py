"""Rows of parquet and Arrow come as Python values; pictures are views, and no file is held whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from datasets import Dataset

from vlmbench.data.sources.objects import digest_of, records_of
from vlmbench.data.sources.records import FileRecords

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
COLUMNS = {
    "binary": pa.array([b"\xff\x00", None, b""], pa.binary()),
    "large": pa.array([b"\xff\x00", None, b""], pa.large_binary()),
    "picture": pa.array([{"bytes": b"\xff", "path": "a"}, None, {"bytes": None, "path": "c"}], PICTURE),
    "several": pa.array(
        [[], None, [{"bytes": b"1", "path": None}, {"bytes": b"2", "path": "b"}]], pa.list_(PICTURE)
    ),
    "texts": pa.array([["a", "b"], None, []], pa.large_list(pa.string())),
    "mapping": pa.array([{"a": 1}, None, {"a": None}], pa.struct([("a", pa.int64())])),
}


def write(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        parquet.write_table(table, path, row_group_size=2)
        return
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table, max_chunksize=2)


def with_bytes(value: Any) -> Any:
    """The value with a copy in place of each view."""
    if isinstance(value, dict):
        return {name: with_bytes(member) for name, member in value.items()}
    if isinstance(value, list):
        return [with_bytes(member) for member in value]
    return bytes(value) if isinstance(value, memoryview) else value


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
@pytest.mark.parametrize("first", [0, 1])
def test_every_layout_of_bytes_is_read_as_pyarrow_reads_it(tmp_path: Path, ending: str, first: int) -> None:
    table = pa.table(COLUMNS).slice(first)
    file = tmp_path / f"mine.{ending}"
    write(file, table)
    assert [with_bytes(row.values) for row in FileRecords(file, (file,)).rows()] == table.to_pylist()


def test_an_object_of_datasets_gives_views_too_and_is_known_by_the_same_digest() -> None:
    records = records_of(Dataset(pa.table(COLUMNS)))
    assert [with_bytes(row.values) for row in records.rows()] == pa.table(COLUMNS).to_pylist()
    assert isinstance(next(iter(records.rows())).values["binary"], memoryview)
    assert digest_of(records) == "13874a3a6dfed1b353fb6ab85eda6664"


@pytest.mark.parametrize("rows_in_a_group", [4, 100])
def test_a_file_of_parquet_is_never_held_whole(tmp_path: Path, rows_in_a_group: int) -> None:
    file = tmp_path / "large.parquet"
    table = pa.table({"n": range(100), "picture": [bytes([n]) * 1_000_000 for n in range(100)]})
    options = {"compression": "none", "use_dictionary": False, "write_batch_size": 4}
    parquet.write_table(table, file, row_group_size=rows_in_a_group, **options)
    del table
    before, held = pa.total_allocated_bytes(), 0
    for row in FileRecords(file, (file,)).rows():
        assert row.values["picture"][0] == row.values["n"]
        held = max(held, pa.total_allocated_bytes() - before)
    assert held < 50_000_000
