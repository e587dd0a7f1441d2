"""Whether the disk has room for downloads and for the tables that they are decoded into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from vlmbench.data.disk import existing_folder, home_folder, in_bytes, require_room
from vlmbench.data.fetch.lacking import Lacking
from vlmbench.data.hub.dataset import open_hub_dataset
from vlmbench.data.hub.reference import parse_hub_reference


def require_room_for(missing: Sequence[Lacking], into: Path) -> None:
    """A DataError that names the disk with too little room, what it needs, and what moves it elsewhere."""
    devices: dict[int, list[tuple[Path, str, int]]] = {}
    for folder, variable, size in _needed(missing, into):
        device = existing_folder(folder).stat().st_dev
        devices.setdefault(device, []).append((folder, variable, size))
    files = sum((one.size or 0) - one.came for one in missing)
    tables = sum(one.decoded for one in missing)
    first, *others = [one.benchmark for one in missing]
    named = f"{first} and {len(others)} more" if others else first
    what = f"the download of {named} ({in_bytes(files)}, and about {in_bytes(tables)} for decoded tables)"
    for parts in devices.values():
        folder, variable, _ = max(parts, key=lambda part: part[2])
        fix = f"Let {variable} name a folder on a larger disk, or get fewer at a time."
        require_room(folder, what, sum(size for _, _, size in parts), fix)


def _needed(missing: Sequence[Lacking], into: Path) -> Iterator[tuple[Path, str, int]]:
    """Folder, the name of what moves it, and the bytes that come to it."""
    home = home_folder()
    for one in missing:
        if one.size is None:
            continue
        rest = one.size - one.came
        if one.as_dataset:
            reference = open_hub_dataset(parse_hub_reference(one.file.dataset), quiet=True)
            yield reference.folder, reference.place, rest
        else:
            yield into, "VLMBENCH_HOME" if home in into.parents else "--data-dir", rest
        yield home / "tables", "VLMBENCH_HOME", one.decoded
