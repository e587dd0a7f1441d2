"""The pictures of a decoded table: written one after another into a file, and read from it by digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from vlmbench.data.arrow_files import ArrowWriter
from vlmbench.errors import DataError

IMAGES, PLACES = "images.bin", "images.arrow"
_FIELDS = ("digest", "width", "height", "start", "length")


class PictureWriter:
    """Writes pictures as they come, holding none; where each one is goes into an Arrow file beside it."""

    def __init__(self, folder: Path) -> None:
        fields = [(name, "text" if name == "digest" else "number") for name in _FIELDS]
        self._places = ArrowWriter(folder / PLACES, fields)
        self._file = (folder / IMAGES).open("wb")
        self._end = 0

    def add(self, digest: str, size: tuple[int, int], data: bytes | memoryview) -> None:
        """`size`: width and height."""
        self._places.add((digest, *size, self._end, len(data)), 0)
        self._file.write(data)
        self._end += len(data)

    def __enter__(self) -> PictureWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._places.__exit__(kind, error, trace)
        finally:
            self._file.close()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a picture is, and its size in pixels."""

    size: tuple[int, int]
    start: int
    length: int


class CachedImages(Mapping[str, bytes]):
    """The original bytes of each picture, by the SHA-256 of those bytes.

    It is a path until it is used, so it costs nothing to send to a worker.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, _Place] | None = None

    def __getitem__(self, digest: str) -> bytes:
        place = self._places[digest]
        path = self._folder / IMAGES
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(place.start)
                data = file.read(place.length)
        except OSError as error:
            raise _damaged(path, f"the cached pictures cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise _damaged(path, f"the cached picture {digest} is damaged")
        return data

    def __contains__(self, digest: object) -> bool:
        return digest in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __getstate__(self) -> Path:
        return self._folder

    def __setstate__(self, folder: Path) -> None:
        self.__init__(folder)  # type: ignore[misc]

    def size(self, digest: str) -> tuple[int, int] | None:
        """Width and height, None for a picture that is not here."""
        place = self._places.get(digest)
        return place.size if place else None

    @property
    def _places(self) -> Mapping[str, _Place]:
        if self._known is None:
            self._known = _read_places(self._folder / PLACES)
        return self._known


def _read_places(path: Path) -> dict[str, _Place]:
    import pyarrow as pa

    try:
        with pa.OSFile(str(path)) as file:
            table = pa.ipc.open_file(file).read_all()
    except (OSError, ValueError) as error:
        raise _damaged(path, f"the list of cached pictures cannot be read: {error}") from error
    columns = (table.column(name).to_pylist() for name in _FIELDS)
    return {d: _Place((w, h), start, length) for d, w, h, start, length in zip(*columns, strict=True)}


def _damaged(path: Path, what: str) -> DataError:
    fix = f"Remove the folder {path.parent} and start again; it is built anew."
    return DataError(f"{what}.", file=path, fix=fix)
