"""Arrow files of a decoded table, written batch by batch."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from pathlib import Path
from types import TracebackType
from typing import Any

BATCH_BYTES = 16 * 1024 * 1024
BATCH_ROWS = 4096


class ArrowWriter:
    """Writes an Arrow IPC file, holding one batch at a time. `fields`: name and type of each column."""

    def __init__(self, path: Path, fields: Sequence[tuple[str, str]]) -> None:
        import pyarrow as pa

        types = {"text": pa.large_string(), "texts": pa.large_list(pa.large_string()), "number": pa.int64()}
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
        arrays = [_array(c, f.type) for c, f in zip(self._columns, self._schema, strict=True)]
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


def _array(values: Sequence[Any], kind: Any) -> Any:
    """What `pa.array` makes of values without a None, which would first import pandas: 0.3 s."""
    import pyarrow as pa

    if kind == pa.int64():
        return pa.Array.from_buffers(kind, len(values), [None, _numbers(values)])
    if kind == pa.large_string():
        # JSON may hold half of a surrogate pair, which is no text; it becomes `?`.
        texts = [text.encode("utf-8", "replace") for text in values]
        parts = [None, _ends(texts), pa.py_buffer(b"".join(texts))]
        return pa.Array.from_buffers(kind, len(values), parts)
    members = _array(list(chain.from_iterable(values)), kind.value_type)
    return pa.Array.from_buffers(kind, len(values), [None, _ends(values)], children=[members])


def _ends(values: Sequence[Any]) -> Any:
    return _numbers(accumulate(map(len, values), initial=0))


def _numbers(values: Iterable[int]) -> Any:
    import pyarrow as pa

    return pa.py_buffer(array("q", values))
