"""A picture as characters: two pixels a cell, one above the other, in the upper half block's two colours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.images import open_picture

if TYPE_CHECKING:
    from rich.text import Text

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
