"""A folder of limited size with the shards that training is at; old ones make way for those that come next.

VLMBENCH_HOME/stream/<machine>/<key of a shard>/     a .tar as it is, or the pictures of another shard

All processes of a machine share it. One of them fetches at a time. A shard that a process reads or is about
to read is locked by it and stays; the system drops the lock when the process ends, however it ends.
"""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from math import inf
from pathlib import Path

from vlmbench.data.disk import free_bytes, home_folder, in_bytes, writing
from vlmbench.data.hub.files import HubMissing
from vlmbench.errors import DataError
from vlmbench.files.atomic import atomic_folder, remove_folder
from vlmbench.files.locks import exclusive, lock_file, shared, unlock_file
from vlmbench.trainers.data.shards.convert import FIX
from vlmbench.trainers.data.shards.streamed_shard import StreamedShard, unpack

GB = 1e9


class ShardStore:
    """The store of this machine."""

    def __init__(self, gigabytes: float | None = None, home: Path | None = None) -> None:
        """`gigabytes` that it may take; None: half of what is free or its own."""
        machine = re.sub(r"[^\w.-]", "_", platform.node()) or "machine"
        self.root = (home or home_folder()) / "stream" / machine
        self._gigabytes = gigabytes

    @property
    def limit(self) -> int:
        """In bytes."""
        if self._gigabytes is not None:
            return round(self._gigabytes * GB)
        return (free_bytes(self.root) + self._used()) // 2

    def check_room(self, shards: Sequence[StreamedShard], window: int) -> None:
        """Raise where two windows of these shards, the one that is read and the next, may have no room."""
        stored = [shard for shard in shards if shard.in_store]
        if _room_for(stored, 2 * window) > self.limit:
            raise self.too_small(stored, 2 * window)

    def too_small(self, shards: Sequence[StreamedShard], at_once: int | None = None) -> DataError:
        """The error of a store without room for so many of these shards; None: for all of them."""
        count = min(at_once or len(shards), len(shards))
        return DataError(
            f"streamed shards may take {in_bytes(self.limit)} here; {count} that are needed at once take "
            f"up to {in_bytes(_room_for(shards, count))}.",
            file=self.root,
            key="data.store",
            fix="Free some space, allow more (`--set data.store=GB`), mix fewer shards "
            "(`--set data.window=N`), or let VLMBENCH_HOME name a larger disk.",
        )

    def has(self, key: str) -> bool:
        """Whether the shard is here; it may be gone a moment later, unless it is locked."""
        return (self.root / key).is_dir()

    def bring(self, shard: StreamedShard, needs: Mapping[str, int]) -> bool:
        """Fetch the shard unless it is here; False where there is no room now.

        `needs`: of the shards that will be read, which comes how soon. What comes sooner than this one stays.
        """
        if self.has(shard.key):
            return True
        with exclusive(self.root / ".lock"):
            if self.has(shard.key):
                return True
            self._sweep(shard.key)
            if not self._make_room(shard, needs):
                return False
            place = self.root / shard.key
            with (
                writing(place, f"the shard {shard.name}", shard.most, FIX),
                self._file(shard) as file,
                atomic_folder(place) as aside,
            ):
                if shard.kind != "tar":
                    unpack(shard, aside, file)
                else:
                    (aside / shard.name).parent.mkdir(parents=True, exist_ok=True)
                    file.rename(aside / shard.name)
        return True

    @contextmanager
    def locked(self, key: str) -> Iterator[bool]:
        """Whether the shard is here. It stays during the block; one that comes meanwhile stays, too."""
        with shared(self._lock(key)):  # where the file system has no locks, nothing is removed either
            yield self.has(key)

    @contextmanager
    def _file(self, shard: StreamedShard) -> Iterator[Path]:
        """The shard's own file; a hub's is there for the block. After a failure, what came of it stays."""
        if shard.local is not None:
            yield Path(shard.local)
            return
        part = self._part(shard.key)
        try:
            file = shard.dataset.here(shard.listed)
            if file is not None and shard.kind == "tar":
                file = _copied(file, part / file.name)
            file = file or shard.dataset.download(shard.listed, part)
        except HubMissing as error:
            what = f"the shard {shard.name} cannot be fetched: {error.what}"
            fix = "`--resume` goes on once it is there again."
            raise DataError(what, file=shard.hub, fix=fix) from error
        yield file
        shutil.rmtree(part, ignore_errors=True)

    def _make_room(self, shard: StreamedShard, needs: Mapping[str, int]) -> bool:
        room, soon = self.limit - self._used() - shard.most, needs.get(shard.key, inf)
        there = [one for one in self._folders() if soon == inf or needs.get(one.name, inf) > soon]
        there.sort(key=lambda folder: (-needs.get(folder.name, inf), folder.stat().st_mtime))
        for folder in there:
            if room >= 0:
                break
            room += self._removed(folder)
        return room >= 0

    def _removed(self, folder: Path) -> int:
        """Bytes of a folder that is gone now; none where a process has locked it."""
        size = _size(folder)
        with self._lock(folder.name).open("ab") as handle:
            try:
                lock_file(handle)
            except OSError:
                return 0
            remove_folder(folder)
            unlock_file(handle)
        return size

    def _sweep(self, key: str) -> None:
        """Remove what killed processes left half done, but for this shard's own beginning."""
        for left in self.root.glob(".*/"):
            if left != self._part(key):
                shutil.rmtree(left, ignore_errors=True)

    def _used(self) -> int:
        return sum(map(_size, self._folders()))

    def _folders(self) -> list[Path]:
        return [one for one in self.root.glob("*/") if not one.name.startswith(".")]

    def _lock(self, key: str) -> Path:
        return self.root / f".{key}.lock"

    def _part(self, key: str) -> Path:
        return self.root / f".{key}.part"


def _room_for(shards: Sequence[StreamedShard], count: int) -> int:
    """Bytes that the largest `count` of these shards take, while the last of them comes."""
    kept = sorted((shard.kept for shard in shards), reverse=True)
    coming = max((shard.most - shard.kept for shard in shards), default=0)
    return sum(kept[:count]) + coming


def _copied(file: Path, to: Path) -> Path:
    to.parent.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copyfile(file, to))


def _size(folder: Path) -> int:
    """Bytes of a folder's files; another process may be removing it."""
    size = 0
    with suppress(OSError):
        for path in folder.rglob("*"):
            size += path.stat().st_size if path.is_file() else 0
    return size
