"""From a file name or an address to a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from vlmbench.chat.conversation import Picture
from vlmbench.errors import DataError, NoSuchData
from vlmbench.files.reply_body import Excess, fetched
from vlmbench.images import open_picture, picture_size

if TYPE_CHECKING:
    from rich.text import Text

MOST_BYTES = 50 * 2**20
SECONDS = 30.0
"""How long a download may take in all."""


def read_picture(where: str) -> Picture:
    """The picture of a file or of an http(s) address, decoded once to know that it is one."""
    data = _download(where) if "://" in where else _read(where)
    try:
        open_picture(data)
        return Picture(name=where, data=data, size=picture_size(data))
    except DataError as error:
        raise DataError(error.what, file=where, fix="Open it in a viewer: is it a picture?") from None


def _read(where: str) -> bytes:
    path = Path(where).expanduser()
    try:
        if path.is_dir():
            raise NoSuchData("this is a folder, not a picture.", file=where, fix="Name one file in it.")
        if path.exists() and not path.is_file():
            raise DataError("this is no regular file.", file=where, fix="Name a picture.")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            raise _too_much(where)
        return data
    except FileNotFoundError:
        raise NoSuchData("there is no such picture.", file=where, fix=f"Looked in {Path.cwd()}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"the picture cannot be read ({reason}).", file=where) from None


def _download(where: str) -> bytes:
    import httpx

    scheme = urlsplit(where).scheme.lower()
    if scheme not in ("http", "https"):
        raise DataError(
            f"pictures are fetched by http or https, not by `{scheme}`.",
            file=where,
            fix="Download it first and name the file.",
        )
    asking = {"Accept": "image/*", "User-Agent": "vlmbench"}
    try:
        reply = fetched(where, most=MOST_BYTES, seconds=SECONDS, headers=asking, redirects=5)
        reply.raise_for_status()
    except Excess as error:
        raise _too_much(where) if "longer" in str(error) else DataError(f"{error}.", file=where) from None
    except httpx.HTTPStatusError as error:
        status = f"{error.response.status_code} {error.response.reason_phrase}".strip()
        fix = "Open the address in a browser: does it show the picture alone, without a login?"
        raise DataError(f"the server answered {status}.", file=where, fix=fix) from None
    except httpx.TimeoutException:
        raise _too_slow(where) from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise DataError(
            f"the picture cannot be fetched ({error}).",
            file=where,
            fix="Check the address and the connection, or download it and name the file.",
        ) from None
    if reply.headers.get("content-type", "").startswith("text/html"):
        raise DataError(
            "this address shows a web page, not a picture.",
            file=where,
            fix="Copy the address of the picture itself.",
        )
    return reply.content


def _too_much(where: str) -> DataError:
    return DataError(f"the picture has more than {MOST_BYTES // 2**20} MB.", file=where, fix="Shrink it.")


def _too_slow(where: str) -> DataError:
    return DataError(
        f"the picture did not come within {SECONDS:.0f} seconds.",
        file=where,
        fix="Try again, or download it and name the file.",
    )


HALF_BLOCK = "▀"


def preview(data: bytes, *, columns: int, rows: int) -> Text:
    """The picture within so many cells, its proportions kept."""
    import numpy as np
    from PIL import Image
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

    image = open_picture(data)
    scale = min(columns / image.width, 2 * rows / image.height)
    width, height = max(1, round(image.width * scale)), max(2, round(image.height * scale))
    small = image.resize(
        (width, height + height % 2), Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST
    )
    pixels = np.asarray(small).tolist()
    text = Text(no_wrap=True, end="")
    for above, below in zip(pixels[::2], pixels[1::2], strict=True):
        for upper, lower in zip(above, below, strict=True):
            style = Style(color=Color.from_rgb(*upper), bgcolor=Color.from_rgb(*lower))
            text.append(HALF_BLOCK, style)
        text.append("\n")
    return text
