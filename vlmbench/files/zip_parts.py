"""Zip files of strangers: what is unpacked is bounded, and a damaged one is refused with the reason."""

from __future__ import annotations

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator

DAMAGED_ZIP = (EOFError, RuntimeError, OverflowError, zlib.error, lzma.LZMAError, struct.error)
"""What zipfile raises for a damaged or encrypted part, besides BadZipFile."""
_CHUNK = 65_536


class ZipParts:
    """The parts of a zip file, of which at most `most` bytes are unpacked in all, in chunks."""

    def __init__(self, archive: zipfile.ZipFile, most: int) -> None:
        self.archive, self.most, self.left = archive, most, most

    def chunks(self, name: str) -> Iterator[bytes]:
        """The bytes of a part; ValueError where the limit is passed, before more is unpacked."""
        with self.archive.open(name) as part:
            while chunk := part.read(_CHUNK):
                self.left -= len(chunk)
                if self.left < 0:
                    raise ValueError(f"it unpacks to more than {self.most // 1000**2} MB")
                yield chunk
