"""Names for the pictures of a shard's records: members of the shard, files, or bytes that are stored once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from vlmbench.data.image_cells import UnreadablePicture, inside
from vlmbench.data.sources.pictures import Pictures
from vlmbench.data.sources.webdataset import Member, shown_pictures
from vlmbench.errors import UsageError
from vlmbench.plain_text import visible
from vlmbench.trainers.data.shards.layouts import Place
from vlmbench.trainers.data.shards.spans import place_name, span_name, write_index

KEY = "image"


class PictureNames:
    """Names the pictures of one shard's records, and writes those that are bytes into one file."""

    def __init__(
        self, *, store: Path, stored_as: str, records: Path, shard: str, images: Path, table: bool
    ) -> None:
        """`stored_as`: the file's name below `records`. `shard`: the name of the shard below its folder."""
        self._store, self._shard, self._images, self._table = store, shard, images, table
        self._read = Pictures(images)
        self._stored_as = stored_as if table else str(records / stored_as)
        self._file: BinaryIO | None = None
        self._places: dict[bytes, tuple[int, int]] = {}
        self._end = 0
        self.has_whole_paths = False
        """Whether a name so far is the whole path of a picture file: a table's own pictures are elsewhere."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def name(self, picture: Any, place: Place) -> str:
        """How a LLaVA record names this picture."""
        if isinstance(picture, Member):
            return span_name(self._shard, picture.offset, picture.size)
        if isinstance(picture, Mapping) and picture.get("bytes") is None and picture.get("path"):
            picture = picture["path"]
        if isinstance(picture, str) and picture and self._read.names_a_file(picture):
            return self._path(picture, place)
        try:
            data = next(self._read.of(picture), b"")
        except UnreadablePicture as error:
            raise place.error(f"{visible(str(error))}.", KEY) from None
        return self._stored(data, place)

    def _path(self, named: str, place: Place) -> str:
        try:
            path = inside(self._images, named)
        except UnreadablePicture as error:
            raise place.error(f"{visible(str(error))}, or set `images` of the source.", KEY) from None
        if not self._table:
            return path.relative_to(self._images).as_posix()
        self.has_whole_paths = True
        return str(path)

    def _stored(self, data: bytes | memoryview, place: Place) -> str:
        """Equal pictures are stored once."""
        if not data:
            raise place.error("is empty: it has no bytes.", KEY)
        return span_name(self._stored_as, *self._written(data))

    def _written(self, data: bytes | memoryview) -> tuple[int, int]:
        digest = hashlib.sha256(data).digest()
        if digest not in self._places:
            if self._file is None:
                self._file = self._store.open("wb")
            self._file.write(data)
            self._places[digest] = (self._end, len(data))
            self._end += len(data)
        return self._places[digest]


class PlaceNames(PictureNames):
    """Names the pictures of a streamed shard by their records, and stores none."""

    def __init__(self, *, store: Path, stored_as: str, images: Path, kind: str) -> None:
        super().__init__(
            store=store, stored_as=stored_as, records=Path(), shard=stored_as, images=images, table=True
        )
        self._kind = kind
        self._row, self._number = 0, -1

    def name(self, picture: Any, place: Place) -> str:
        """How a LLaVA record names this picture."""
        if self._kind == "parquet" and isinstance(picture, Mapping):
            # Its text is read without the bytes of its pictures: whether they are there shows later.
            return self._stored(self._bytes(picture, place), place)
        return super().name(picture, place)

    def _bytes(self, picture: Mapping[str, Any], place: Place) -> bytes | memoryview:
        return b"unread"

    def _path(self, named: str, place: Place) -> str:
        raise UsageError(
            f"records name picture files (`{visible(named, 60)}` in {place.file}), and only pictures inside "
            "shards are streamed.",
            key="stream",
            fix="Leave `stream` out of this source: picture files are read where they are.",
        )

    def _stored(self, data: bytes | memoryview, place: Place) -> str:
        if not data:
            raise place.error("is empty: it has no bytes.", KEY)
        if self._kind == "tar":
            raise place.error("the text holds a picture; of a streamed .tar, each is a member.", KEY)
        self._number = self._number + 1 if place.row == self._row else 0
        self._row = place.row
        return place_name(self._stored_as, place.row, self._number)


class UnpackedPictures(PlaceNames):
    """Stores the pictures that `PlaceNames` named, in one file with an index of their places."""

    def __init__(self, *, store: Path, stored_as: str, images: Path, kind: str) -> None:
        super().__init__(store=store, stored_as=stored_as, images=images, kind=kind)
        self._spans: list[tuple[int, int, int]] = []

    def write_index(self, problems: Mapping[int, str]) -> None:
        """Finish: `problems` says by row why a record has no pictures."""
        self._store.touch()
        write_index(self._store, self._spans, problems)

    def _bytes(self, picture: Mapping[str, Any], place: Place) -> bytes | memoryview:
        try:
            return next(self._read.of(picture), b"")
        except UnreadablePicture as error:
            raise place.error(f"{visible(str(error))}.", KEY) from None

    def _stored(self, data: bytes | memoryview, place: Place) -> str:
        name = super()._stored(data, place)
        self._spans.append((place.row, *self._written(data)))
        return name


def picture_values(held: Any, members: Sequence[Member], place: Place) -> list[Any]:
    """The pictures of a record: of its column, or those that stand beside it in the shard."""
    found = shown_pictures(held, members)
    if not isinstance(found, str):
        return found
    raise place.error(
        f"names the picture `{visible(found)}`, and the sample has "
        f"{', '.join(member.shown for member in members)}.",
        KEY,
        "Take the names out: the sample's pictures are then shown in the order of the shard.",
    )
