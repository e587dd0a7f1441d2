"""The pictures of a row: bytes, mappings of bytes and path, pixels, base64, or paths in the folder."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vlmbench.data.disk import Stamp, stamp
from vlmbench.data.image_cells import LONGEST_REFERENCE, UnreadablePicture, decode, inside, picture_bytes
from vlmbench.data.sources.column import is_list, is_missing, is_pixels

UNREAD = object()
"""Stands in a cell whose picture is not fetched."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
_MODES_OF_PNG = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


@dataclass(frozen=True, slots=True)
class Pictures:
    """Reads pictures. `folder` is where paths lie; None where the user's own object names them."""

    folder: Path | None
    stamps: dict[str, Stamp] = field(default_factory=dict)
    """Picture files that were read."""

    def of(self, value: Any) -> Iterator[bytes | memoryview]:
        """The bytes of every picture in a cell; UnreadablePicture where one cannot be had."""
        if is_missing(value):
            return
        if isinstance(value, (bytes, bytearray, memoryview)):
            yield value if isinstance(value, memoryview) else bytes(value)
        elif isinstance(value, str):
            if value.strip():
                yield self._of_text(value.strip())
        elif isinstance(value, Mapping):
            yield from self._of_mapping(value)
        elif is_pixels(value):
            yield png(value)
        elif is_list(value):
            for member in value:
                yield from self.of(member)
        elif isinstance(value, Path):
            yield self._file(str(value))
        else:
            raise UnreadablePicture(f"its picture is a {type(value).__name__}")

    def _of_mapping(self, value: Mapping[str, Any]) -> Iterator[bytes | memoryview]:
        if value.get("bytes") is not None:
            yield from self.of(value["bytes"])
        elif value.get("path"):
            yield self._file(str(value["path"]))
        elif "bytes" not in value and "path" not in value:
            raise UnreadablePicture(f"its picture is a mapping with {', '.join(map(str, value))[:60]}")

    def _of_text(self, text: str) -> bytes:
        if text.startswith("data:"):
            return decode(text)
        if _ADDRESS.match(text):
            raise UnreadablePicture(f"its picture is an address, `{text[:60]}`, and nothing is downloaded")
        return self._file(text) if self.names_a_file(text) else decode(text)

    def names_a_file(self, text: str) -> bool:
        """Whether a text is a path, and neither an address nor the base64 of a picture."""
        if text.startswith("data:") or _ADDRESS.match(text):
            return False
        inline = len(text) > LONGEST_REFERENCE and _BASE64.fullmatch(text)
        return not inline or self._is_file(text)

    def _is_file(self, text: str) -> bool:
        return len(text) < 4096 and self.folder is not None and (self.folder / text).is_file()

    def _file(self, name: str) -> bytes:
        path = inside(self.folder, name) if self.folder is not None else Path(name)
        self.stamps[str(path)] = stamp(path)
        return picture_bytes(path)


def png(pixels: Any) -> bytes:
    """A picture of Pillow's as a file, without loss."""
    buffer = io.BytesIO()
    try:
        lossless = pixels if pixels.mode in _MODES_OF_PNG else pixels.convert("RGB")
        lossless.save(buffer, "PNG")
    except (OSError, ValueError, SyntaxError) as error:
        raise UnreadablePicture(f"its picture cannot be read ({error})") from None
    return buffer.getvalue()
