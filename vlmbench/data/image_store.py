"""Pictures in a memory-mapped Arrow file, by digest."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import DataError

_DROP_AFTER = 64 * 1024 * 1024


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
