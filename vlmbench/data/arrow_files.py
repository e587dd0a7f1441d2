"""Arrow files of a decoded table, written batch by batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

BATCH_BYTES = 16 * 1024 * 1024
BATCH_ROWS = 4096


class ArrowWriter:
    """Writes an Arrow IPC file, holding one batch at a time. `fields`: name and type of each column."""

    def __init__(self, path: Path, fields: Sequence[tuple[str, str]]) -> None:
        import pyarrow as pa

        types = {"text": pa.large_string(), "texts": pa.list_(pa.string()), "number": pa.int64()}
        self._schema = pa.schema([(name, types[kind]) for name, kind in fields])
        self._columns: list[list[Any]] = [[] for _ in fields]
        self._size = 0
        self.batches: list[int] = []
        """Rows in each batch written so far."""
        self._sink = pa.OSFile(str(path), "wb")
        self._file = pa.ipc.new_file(self._sink, self._schema)

    def add(self, values: Sequence[Any], size: int) -> None:
        """Take one row; `size` is about what it holds in bytes."""
        for column, value in zip(self._columns, values, strict=True):
            column.append(value)
        self._size += size
        if self._size >= BATCH_BYTES or len(self._columns[0]) >= BATCH_ROWS:
            self.cut()

    def cut(self) -> None:
        """End the batch here."""
        import pyarrow as pa

        if not self._columns[0]:
            return
        arrays = [pa.array(c, type=f.type) for c, f in zip(self._columns, self._schema, strict=True)]
        self.batches.append(len(self._columns[0]))
        for column in self._columns:
            column.clear()
        self._size = 0
        self._file.write_batch(pa.record_batch(arrays, schema=self._schema))

    def __enter__(self) -> ArrowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.cut()
                self._file.close()
        finally:
            self._sink.close()
