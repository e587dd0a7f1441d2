from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile
from repository import TESTS

from vlmbench.errors import DataError
from vlmbench.images import GREY, blank_like, open_picture, pad_to_square, picture_size

GOLDEN = TESTS / "golden" / "training" / "expand2square"
NOISE = np.random.default_rng(0).integers(0, 256, (24, 32, 4), np.uint8)
RGBA = Image.fromarray(NOISE)
RGB = RGBA.convert("RGB")


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims this size and holds no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "case", json.loads((GOLDEN / "cases.json").read_text()), ids=lambda case: case["input"]
)
def test_padding_equals_expand2square(case: dict[str, object]) -> None:
    image = open_picture((GOLDEN / str(case["input"])).read_bytes())
    red, green, blue = case["background"]  # type: ignore[misc]
    padded = pad_to_square(image, (red, green, blue))
    assert np.array_equal(np.asarray(padded), np.asarray(Image.open(GOLDEN / str(case["expected"]))))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_rgb_as_pillow_converts_it(mode: str) -> None:
    source = RGBA.convert(mode)
    picture = open_picture(saved(source))
    assert picture.mode == "RGB"
    assert np.array_equal(np.asarray(picture), np.asarray(source.convert("RGB")))


def test_cmyk_becomes_rgb() -> None:
    assert open_picture(saved(RGB.convert("CMYK"), "JPEG")).mode == "RGB"


def test_transparency_is_dropped_and_not_blended() -> None:
    assert np.array_equal(np.asarray(open_picture(saved(RGBA))), NOISE[:, :, :3])


def test_a_transparent_palette_warns_nobody() -> None:
    assert open_picture(saved(RGBA.quantize(16))).mode == "RGB"


def test_sixteen_bit_grey_is_scaled_and_not_clipped() -> None:
    grey = np.arange(0, 65536, 512, dtype=np.uint16).reshape(8, 16)
    picture = open_picture(saved(Image.fromarray(grey)))
    assert np.array_equal(np.asarray(picture)[:, :, 0], grey // 256)


def test_an_animation_is_its_first_frame() -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    data = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert open_picture(data).getpixel((0, 0)) == (255, 0, 0)


def test_exif_orientation_is_left_alone() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert open_picture(saved(RGB, "JPEG", exif=exif)).size == RGB.size


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "QOI", "AVIF", "DDS", "SGI"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_a_cut_off_picture_is_refused(form: str, kept: float) -> None:
    data = saved(RGB, form)
    with pytest.raises(DataError, match=r"cut off|not a picture"):
        open_picture(data[: int(len(data) * kept)])


def test_a_cut_off_picture_is_refused_even_if_pillow_was_told_to_bear_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    data = saved(RGB, "JPEG")
    with pytest.raises(DataError, match="cut off"):
        open_picture(data[: len(data) // 2])
    assert ImageFile.LOAD_TRUNCATED_IMAGES is True


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(DataError, match="not a picture"):
        open_picture(data)


@pytest.mark.parametrize("pillow_limit", [89_478_485, None])
def test_a_huge_picture_is_refused_with_both_sizes(
    pillow_limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pillow_limit)
    with pytest.raises(DataError, match="900,000,000 pixels; at most 178,956,970"):
        open_picture(png_header(30_000, 30_000))


def test_a_large_picture_below_the_limit_warns_nobody() -> None:
    assert picture_size(png_header(12_000, 12_000)) == (12_000, 12_000)


def test_a_blank_has_the_size_of_the_picture_and_one_colour() -> None:
    blank = open_picture(blank_like(saved(RGB)))
    assert blank.size == RGB.size
    assert blank.getcolors() == [(24 * 32, GREY)]


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"optimize": True}, {"exif": b"Exif\0\0" + b"x" * 300}]
)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_size_of_a_jpeg_is_read_from_its_header(mode: str, options: dict[str, object]) -> None:
    buffer = io.BytesIO()
    Image.new(mode, (301, 7)).save(buffer, "JPEG", **options)
    assert picture_size(buffer.getvalue()) == (301, 7)


@pytest.mark.parametrize("end", [3, 20, 150])
def test_a_jpeg_without_a_whole_header_is_refused(end: int) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 7)).save(buffer, "JPEG")
    with pytest.raises(DataError):
        picture_size(buffer.getvalue()[:end])


def test_a_jpeg_too_large_to_decode_is_refused_by_its_header() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (30, 7)).save(buffer, "JPEG")
    data = bytearray(buffer.getvalue())
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = b"\xff\xff\xff\xff"
    with pytest.raises(DataError, match="pixels"):
        picture_size(bytes(data))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["AVIF", "BLP", "DDS", "ICNS", "ICO", "IM", "QOI", "SPIDER", "TIFF", "XBM"])
def test_a_damaged_picture_of_any_format_is_read_or_refused(form: str) -> None:
    source = {"BLP": RGB.quantize(16), "XBM": RGB.convert("1"), "SPIDER": RGB.convert("F")}.get(form, RGB)
    data, draw = saved(source, form), random.Random(0)
    for _ in range(150):
        damaged = bytearray(data[: draw.choice([len(data), draw.randrange(len(data))])])
        for _ in range(draw.randrange(4) if damaged else 0):
            damaged[draw.randrange(min(len(damaged), 200))] = draw.choice([0, 127, 128, 255])
        with contextlib.suppress(DataError):
            open_picture(bytes(damaged))


def test_a_dds_without_a_pixel_format_is_refused() -> None:
    data = bytearray(saved(RGB, "DDS"))
    data[80:84] = bytes(4)
    with pytest.raises(DataError, match="Unknown pixel format"):
        open_picture(bytes(data))


def test_eps_is_refused_because_it_is_a_program() -> None:
    with pytest.raises(DataError, match="Ghostscript"):
        picture_size(saved(RGB, "EPS"))


@pytest.mark.parametrize(("mode", "side"), [("L", 13_000), ("RGBA", 10_001), ("I;16", 7_100)])
def test_what_takes_too_much_memory_to_decode_is_refused_before_it_is_decoded(mode: str, side: int) -> None:
    kind, bits = {"L": (0, 8), "RGBA": (6, 8), "I;16": (0, 16)}[mode]
    data = bytearray(png_header(side, side))
    data[24:26] = bytes([bits, kind])
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    with pytest.raises(DataError, match=f"bytes to decode .{side} × {side}, {mode}.; at most 800,000,000"):
        picture_size(bytes(data))
