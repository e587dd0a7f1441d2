"""A picture that training opens: a whole file, or a span of a larger one, named `FILE#OFFSET+SIZE`.

Spans let a webdataset shard stay as it is, and the pictures of a parquet file stand in one file.
"""

from __future__ import annotations

import re
from pathlib import Path

from vlmbench.errors import DataError

_SPAN = re.compile(r"#(\d{1,18})\+(\d{1,18})$")


def span_name(file: str, offset: int, size: int) -> str:
    """The name of so many bytes of a file, from `offset` on."""
    return f"{file}#{offset}+{size}"


def stored_size(path: Path) -> int:
    """Bytes of the picture. Raises OSError where its file is missing."""
    span = _span(path)
    if span is None:
        return path.stat().st_size
    file, offset, size = span
    return max(min(file.stat().st_size - offset, size), 0)


def stored_bytes(path: Path) -> bytes:
    """The picture's bytes. Raises OSError where its file is missing, DataError where it ends too early."""
    span = _span(path)
    if span is None:
        return path.read_bytes()
    file, offset, size = span
    with file.open("rb") as opened:
        opened.seek(offset)
        data = opened.read(size)
    if len(data) != size:
        raise DataError("the file ends inside this picture: it was cut off, or is another one by now.")
    return data


def _span(path: Path) -> tuple[Path, int, int] | None:
    """File, offset and size; None for a file of its own, whatever its name."""
    found = _SPAN.search(path.name)
    if found is None or path.exists():
        return None
    return path.with_name(path.name[: found.start()]), int(found[1]), int(found[2])
