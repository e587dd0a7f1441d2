"""An image cell: base64 pictures, paths of pictures, or the index of the row that holds the picture."""

from __future__ import annotations

import base64
import binascii
import os
import re
from dataclasses import dataclass
from pathlib import Path

from vlmbench.data.tsv import MAX_ROW
from vlmbench.errors import DataError
from vlmbench.images import picture_size

LONGEST_REFERENCE = 64
"""A longer cell is a picture. No picture file is as small as 48 bytes, which this many characters hold."""

# Flat lists of plain texts only. A scanner, because `ast` needs many times the memory of the cell.
_TEXT = r"""(?:'[^'\\]*'|"[^"\\]*")"""
_LIST = re.compile(rf"\[\s*(?:{_TEXT}(?:\s*,\s*{_TEXT})*\s*,?\s*)?\]")
_ITEM = re.compile(_TEXT)


class UnreadablePicture(Exception):
    """A row's picture cannot be read; the message becomes `Row.problem`."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The index of the row whose picture this row shows."""

    index: str


def parse_cell(cell: str) -> Reference | tuple[str, ...]:
    """A reference, or the base64 text of each picture; an empty cell has none."""
    text = cell.strip()
    if not text:
        return ()
    if text.startswith("["):
        return parse_list(text)
    if len(text) <= LONGEST_REFERENCE:
        return Reference(text)
    return (text,)


def parse_list(text: str) -> tuple[str, ...]:
    """The texts of a list literal, as Python or JSON writes it."""
    if not _LIST.fullmatch(text):
        raise UnreadablePicture("its image cell starts like a list but is not a list of texts")
    return tuple(item.group()[1:-1] for item in _ITEM.finditer(text))


def decode(text: str) -> bytes:
    """The bytes of a picture file written as base64, with or without a `data:` prefix."""
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError) as error:
        raise UnreadablePicture(f"its image cell is not base64 ({error})") from None


def measure(data: bytes | memoryview) -> tuple[int, int]:
    """Width and height from the header; UnreadablePicture if it is not a picture, or too large."""
    try:
        return picture_size(data)
    except DataError as error:
        raise UnreadablePicture(error.what.rstrip(".")) from None
    except Exception as error:  # Pillow's readers raise whatever a damaged header leads them to
        raise UnreadablePicture(f"the picture's header is damaged ({error})") from None


def inside(folder: Path, name: str) -> Path:
    """The file a path cell names; it must lie in the table's folder.

    A table comes from anywhere, and pictures may be sent to a server: it must not be able to name
    a private file. The check is on the path as written, so a folder that the user linked in is fine.
    """
    if "\0" in name:
        raise UnreadablePicture("its picture's path holds a NUL character")
    root = Path(_normal(folder))
    path = Path(_normal(root / name))
    if root not in path.parents:
        raise UnreadablePicture(
            f"its picture `{name}` lies outside the table's folder {root}; link it into that folder"
        )
    return path


def picture_bytes(path: Path) -> bytes:
    """The bytes of a picture file."""
    try:
        if not path.is_file():
            raise UnreadablePicture(f"its picture {path} is not there")
        if path.stat().st_size > MAX_ROW:
            raise UnreadablePicture(f"its picture {path} is larger than {MAX_ROW >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise UnreadablePicture(f"its picture {path} cannot be read: {error.strerror}") from None


def _normal(path: Path) -> str:
    return os.path.normpath(path.absolute())
