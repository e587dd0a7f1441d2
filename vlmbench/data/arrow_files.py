"""Arrow files of a decoded table: written batch by batch, and pictures read from one by digest."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any

from vlmbench.errors import DataError

BATCH_BYTES = 16 * 1024 * 1024
BATCH_ROWS = 4096
_DROP_AFTER = 64 * 1024 * 1024


class ArrowWriter:
    """Writes an Arrow IPC file, holding one batch at a time. `fields`: name and type of each column."""

    def __init__(self, path: Path, fields: Sequence[tuple[str, str]]) -> None:
        import pyarrow as pa

        types = {"text": pa.large_string(), "texts": pa.list_(pa.string()), "number": pa.int64()}
        types["bytes"] = pa.large_binary()
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
    import pyarrow as pa

    if kind != pa.large_binary():
        return pa.array(values, type=kind)
    # Joined at once: `pa.array` copies all bytes again each time its buffer grows.
    ends = pa.array(accumulate(map(len, values), initial=0), type=pa.int64()).buffers()[1]
    return pa.LargeBinaryArray.from_buffers(kind, len(values), [None, ends, pa.py_buffer(b"".join(values))])


class CachedImages(Mapping[str, bytes]):
    """The original bytes of each picture, by the SHA-256 of those bytes.

    It is a path until it is used, so it costs nothing to send to a worker; each process maps the
    file itself and they share its pages.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: _ImageFile | None = None

    def __getitem__(self, digest: str) -> bytes:
        data = self._opened().read(digest)
        if hashlib.sha256(data).hexdigest() != digest:
            raise _damaged(self._path, f"the cached picture {digest} is damaged")
        return data

    def __contains__(self, digest: object) -> bool:
        return digest in self._opened().places

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened().places)

    def __len__(self) -> int:
        return len(self._opened().places)

    def __getstate__(self) -> Path:
        return self._path

    def __setstate__(self, path: Path) -> None:
        self.__init__(path)  # type: ignore[misc]

    def size(self, digest: str) -> tuple[int, int] | None:
        """Width and height, None for a picture that is not here."""
        return self._opened().sizes.get(digest)

    def _opened(self) -> _ImageFile:
        if self._file is None:
            self._file = _ImageFile(self._path)
        return self._file


class _ImageFile:
    """The mapped file and where each picture is in it."""

    def __init__(self, path: Path) -> None:
        import pyarrow as pa

        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            reader = pa.ipc.open_file(pa.py_buffer(self._map))
            self._batches: list[Any] = [reader.get_batch(i) for i in range(reader.num_record_batches)]
        except (OSError, ValueError) as error:
            raise _damaged(path, f"the cached pictures cannot be read: {error}") from error
        self._read = 0
        self.places: dict[str, tuple[int, int]] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        for number, batch in enumerate(self._batches):
            digests = batch.column("digest").to_pylist()
            self.places.update((digest, (number, row)) for row, digest in enumerate(digests))
            sizes = zip(batch.column("width").to_pylist(), batch.column("height").to_pylist(), strict=True)
            self.sizes.update(zip(digests, sizes, strict=True))

    def read(self, digest: str) -> bytes:
        """A copy of one picture's bytes."""
        batch, row = self.places[digest]
        data: bytes = self._batches[batch].column("bytes")[row].as_py()
        self._read += len(data)
        if self._read > _DROP_AFTER and hasattr(self._map, "madvise"):
            # Pages once read count as this process's memory until let go; the system keeps them cached.
            self._map.madvise(mmap.MADV_DONTNEED)
            self._read = 0
        return data


def _damaged(path: Path, what: str) -> DataError:
    fix = f"Remove the folder {path.parent} and start again; it is built anew."
    return DataError(f"{what}.", file=path, fix=fix)
