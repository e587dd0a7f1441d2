"""Names for the pictures of a shard's records: members of the shard, files, or bytes that are stored once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from vlmbench.data.image_cells import UnreadablePicture, inside
from vlmbench.data.sources.pictures import Pictures
from vlmbench.data.sources.webdataset import Member, shown_pictures
from vlmbench.plain_text import visible
from vlmbench.trainers.data.shards.layouts import Place
from vlmbench.trainers.data.shards.spans import span_name

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

    def __enter__(self) -> PictureNames:
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
        digest = hashlib.sha256(data).digest()
        if digest not in self._places:
            if self._file is None:
                self._file = self._store.open("wb")
            self._file.write(data)
            self._places[digest] = (self._end, len(data))
            self._end += len(data)
        return span_name(self._stored_as, *self._places[digest])


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
