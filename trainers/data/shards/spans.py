"""A picture that training opens: a whole file, or a span of a larger one, named `FILE#OFFSET+SIZE`.

Spans let a webdataset shard stay as it is, and the pictures of a parquet file stand in one file. Of a shard
whose text alone was read, `FILE#ROW.NUMBER` is a picture of a record; an index beside the file has its span.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from vlmbench.errors import DataError

_SPAN = re.compile(r"#(\d{1,18})\+(\d{1,18})$")
_PLACE = re.compile(r"#(\d{1,18})\.(\d{1,9})$")
_INDEX, _PROBLEMS = ".spans.npy", ".problems.json"


def span_name(file: str, offset: int, size: int) -> str:
    """The name of so many bytes of a file, from `offset` on."""
    return f"{file}#{offset}+{size}"


def place_name(file: str, row: int, number: int) -> str:
    """The name of a picture of the record in that row, counted from 0."""
    return f"{file}#{row}.{number}"


def write_index(file: Path, spans: Sequence[tuple[int, int, int]], problems: Mapping[int, str]) -> None:
    """Write where a file's pictures stand: row of the record, offset and size; or why a row has none."""
    import numpy as np

    np.save(f"{file}{_INDEX}", np.array(spans, np.int64).reshape(-1, 3))
    Path(f"{file}{_PROBLEMS}").write_text(json.dumps(problems), "utf-8")


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
    found = _SPAN.search(path.name) or _PLACE.search(path.name)
    if found is None or path.exists():
        return None
    file = path.with_name(path.name[: found.start()])
    if found.re is _SPAN:
        return file, int(found[1]), int(found[2])
    return file, *_indexed(file, int(found[1]), int(found[2]))


def _indexed(file: Path, row: int, number: int) -> tuple[int, int]:
    import numpy as np

    spans = np.load(f"{file}{_INDEX}", mmap_mode="r")
    first, end = np.searchsorted(spans[:, 0], [row, row + 1])
    if first + number >= end:
        problems = json.loads(Path(f"{file}{_PROBLEMS}").read_text("utf-8"))
        raise DataError(problems.get(str(row), f"row {row} of the shard has no such picture."))
    _, offset, size = spans[first + number].tolist()
    return offset, size
