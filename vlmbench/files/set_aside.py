"""Files that a new start would overwrite, moved to a numbered folder beside theirs: BENCH.old-1 and so on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count
from pathlib import Path

_OLD = re.compile(r".+\.old-\d+")


def set_aside(folder: Path, names: Sequence[str]) -> Path | None:
    """Move those files, in this order, to a new folder; returns it, or None where none of them is there."""
    present = [name for name in names if (folder / name).exists()]
    if not present:
        return None
    place = _new_folder(folder.absolute())
    for name in present:
        (folder / name).replace(place / name)
    return folder.with_name(place.name) if folder.name else place


def is_set_aside(folder: Path) -> bool:
    """Whether the folder's name is one that `set_aside` gives."""
    return _OLD.fullmatch(folder.name) is not None


def _new_folder(folder: Path) -> Path:
    for number in count(1):
        place = folder.with_name(f"{folder.name}.old-{number}")
        try:
            place.mkdir()
        except FileExistsError:
            continue
        return place
    raise AssertionError
