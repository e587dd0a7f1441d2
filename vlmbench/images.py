"""Pictures: from bytes to pixels, padded squares, and grey stand-ins.

Everything a model sees passes through here, in evaluation as in training, so that a picture is
decoded in one way only.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from vlmbench.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 178_956_970
"""More than this is taken for a decompression bomb."""
MAX_DECODED = 800_000_000
"""Bytes that decoding may take: the file's own pixels and, where they differ, four bytes a pixel as RGB."""

GREY = (128, 128, 128)
CLIP_MEAN = (122, 116, 104)
"""The mean colour of CLIP's image processor, with which LLaVA pads where no processor is at hand."""


def open_picture(data: bytes) -> Image:
    """The picture as RGB pixels, complete or not at all.

    As in the original tools an EXIF orientation is left alone, transparency is dropped without a
    backdrop, and of an animation the first frame counts. Sixteen-bit grey is scaled to eight bits.
    """
    image = _open(data)
    try:
        with _no_half_pictures():
            image.load()
            return _to_rgb(image)
    # A damaged file can fail anywhere in Pillow's decoders, with any error.
    except Exception as error:
        raise _damaged(error) from error


def picture_size(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height, from the header alone."""
    found = _jpeg_size(data)
    # Eight bytes a pixel, as of CMYK, are the most that a JPEG takes.
    return found if found and found[0] * found[1] <= MAX_DECODED // 8 else _open(data).size


def _jpeg_size(data: bytes | memoryview) -> tuple[int, int] | None:
    """Of a JPEG, whose header costs Pillow as much as a digest of the whole; None where in doubt."""
    if data[:3] != b"\xff\xd8\xff":
        return None
    at = 2
    while at + 9 < len(data) and data[at] == 0xFF:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if 0xC0 <= marker <= 0xC2:
            height, width = int.from_bytes(data[at + 5 : at + 7]), int.from_bytes(data[at + 7 : at + 9])
            return (width, height) if width and height and data[at + 9] in (1, 3, 4) else None
        if not (0xC4 <= marker <= 0xFE) or 0xD0 <= marker <= 0xDA:
            return None
        at += 2 + length
    return None


def pad_to_square(image: Image, colour: tuple[int, int, int]) -> Image:
    """The picture in the middle of a square of this colour: `expand2square` of the LLaVA tools."""
    from PIL import Image as Pillow

    width, height = image.size
    if width == height:
        return image
    side = max(width, height)
    square = Pillow.new(image.mode, (side, side), colour)
    square.paste(image, ((side - width) // 2, (side - height) // 2))
    return square


def square_png(data: bytes, colour: tuple[int, int, int]) -> bytes:
    """The picture padded to a square, as PNG; one that is square already keeps its own bytes."""
    width, height = picture_size(data)
    if width == height:
        return data
    buffer = io.BytesIO()
    # Little compression: it goes to a server once, and more would take longer than the way there.
    pad_to_square(open_picture(data), colour).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def blank_like(data: bytes) -> bytes:
    """A grey picture of the same size as PNG, to see how much of a score needs no picture."""
    return _blank(picture_size(data))


@lru_cache(maxsize=32)
def _blank(size: tuple[int, int]) -> bytes:
    from PIL import Image as Pillow

    buffer = io.BytesIO()
    Pillow.new("RGB", size, GREY).save(buffer, "PNG")
    return buffer.getvalue()


def _open(data: bytes | memoryview) -> Image:
    """The picture with its header read and its size checked, pixels not yet decoded."""
    from PIL import Image as Pillow
    from PIL import UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            # Pillow warns from half of its limit on, and of odd notes beside the pixels.
            warnings.simplefilter("ignore")
            image = Pillow.open(io.BytesIO(data))
    except Pillow.DecompressionBombError as error:
        raise _too_large(_first_number(str(error))) from None
    except UnidentifiedImageError:
        raise DataError(f"these {len(data)} bytes are not a picture in any known format.") from None
    except Exception as error:
        raise _damaged(error) from error
    if image.format == "EPS":
        raise DataError("the picture is EPS, a program for Ghostscript, which vlmbench does not run.")
    # Pillow's own check can be switched off by any library that dislikes it.
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise _too_large(width * height)
    taken = width * height * _bytes_per_pixel(image.mode)
    if taken > MAX_DECODED:
        what = f"the picture takes {taken:,} bytes to decode ({width} × {height}, {image.mode})"
        raise DataError(f"{what}; at most {MAX_DECODED:,} are taken.")
    return image


def _bytes_per_pixel(mode: str) -> int:
    """Memory while a picture of this mode becomes RGB, of which Pillow stores four bytes a pixel."""
    if mode.startswith("I"):
        return 16  # with NumPy's copies
    return {"RGB": 4, "1": 5, "L": 5, "P": 5}.get(mode, 8)


def _damaged(error: Exception) -> DataError:
    why = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"the picture is cut off or damaged ({why}).")


def _too_large(pixels: int) -> DataError:
    return DataError(f"the picture has {pixels:,} pixels; at most {MAX_PIXELS:,} are read.")


def _first_number(text: str) -> int:
    found = re.search(r"\d+", text)
    return int(found.group()) if found else MAX_PIXELS + 1


def _to_rgb(image: Image) -> Image:
    if image.mode == "RGB":
        return image  # `convert` would copy it
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    # Without this key a palette picture with transparency converts as it should, and without a warning.
    image.info.pop("transparency", None)
    return image.convert("RGB")


def _eight_bits(image: Image) -> Image:
    """Sixteen-bit grey scaled down; Pillow's own conversion would clip nearly all of it to white."""
    import numpy as np
    from PIL import Image as Pillow

    values = np.asarray(image)
    if values.max(initial=0) > 255:
        values = values // 256
    return Pillow.fromarray(values.clip(0, 255).astype(np.uint8))


@contextmanager
def _no_half_pictures() -> Iterator[None]:
    """Refuse cut-off files even where another library has set Pillow to fill the rest with grey."""
    from PIL import ImageFile

    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before
