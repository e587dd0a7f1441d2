"""The pictures of the requests at hand, each decoded once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from vlmbench.domain import ImageFit, ImageSource
from vlmbench.errors import DataError
from vlmbench.images import open_picture, pad_to_square, picture_size

if TYPE_CHECKING:
    from PIL.Image import Image


class Pictures:
    """Pictures by digest and fit. What is no longer at hand is forgotten, so memory stays bounded."""

    def __init__(self, source: ImageSource, colour: tuple[int, int, int]) -> None:
        self._source = source
        self._colour = colour
        self._native: dict[str, Image] = {}
        self._square: dict[str, Image] = {}
        self._sizes: dict[str, tuple[int, int]] = {}

    def size(self, digest: str, fit: ImageFit) -> tuple[int, int]:
        """Width and height as the processor will see them, without decoding."""
        if digest not in self._sizes:
            self._sizes[digest] = picture_size(self._bytes(digest))
        width, height = self._sizes[digest]
        return (max(width, height),) * 2 if fit == "square" else (width, height)

    def image(self, digest: str, fit: ImageFit) -> Image:
        """The decoded picture."""
        if fit == "native":
            return self._decoded(digest)
        if digest not in self._square:
            self._square[digest] = pad_to_square(self._decoded(digest), self._colour)
        return self._square[digest]

    def keep_only(self, digests: Iterable[str]) -> None:
        """Forget every other picture."""
        kept = set(digests)
        self._native = {digest: image for digest, image in self._native.items() if digest in kept}
        self._square = {digest: image for digest, image in self._square.items() if digest in kept}
        self._sizes = {digest: size for digest, size in self._sizes.items() if digest in kept}

    def _decoded(self, digest: str) -> Image:
        if digest not in self._native:
            self._native[digest] = open_picture(self._bytes(digest))
        return self._native[digest]

    def _bytes(self, digest: str) -> bytes:
        try:
            return self._source[digest]
        except KeyError:
            raise DataError(f"the picture {digest[:12]} is not in the data.") from None
