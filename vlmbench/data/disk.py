"""Our files on the disk: the home folder, failed writes, remembered digests, failed downloads."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from vlmbench.errors import DataError
from vlmbench.files.atomic import atomic_file
from vlmbench.files.json_files import object_or_none

Algorithm = Literal["md5", "sha256"]

Stamp = tuple[int, int] | None
"""Of a file: its size in bytes and when it changed, in nanoseconds. None: there is no such file."""

FIRST_BYTES = 4096
"""As many bytes of a file are enough for `check_download`."""

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_CHUNK = 1 << 20
_FINE, _COARSE = 0.05, 2.0
"""Seconds within which a file may change again without its time stamp showing it."""
_LFS_POINTER = b"version https://git-lfs"
_WEB_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S)


def home_folder() -> Path:
    """Where downloads, caches and digests lie: `VLMBENCH_HOME`, or `~/.cache/vlmbench`."""
    named = os.environ.get("VLMBENCH_HOME")
    return Path(named).expanduser() if named else Path.home() / ".cache" / "vlmbench"


def stamp(path: Path) -> Stamp:
    """Size and time of change: equal as long as nobody touched the file."""
    try:
        seen = path.stat()
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns


def free_bytes(folder: Path) -> int:
    """What the disk of a folder has free, which need not be there yet."""
    return shutil.disk_usage(existing_folder(folder)).free


def existing_folder(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(one for one in (folder, *folder.absolute().parents) if one.is_dir())


@contextmanager
def writing(into: Path, what: str, needed: int | None, fix: str) -> Iterator[None]:
    """Turn a failed write into a DataError: what was written, where, and how many bytes it needs."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            room = f"; it needs up to {needed / 1e6:,.0f} MB there" if needed is not None else ""
            why = f"the disk is full or its quota is used up{room}."
        else:
            why = f"{error.strerror or error}."
        raise DataError(f"cannot write {what}: {why}", file=into, fix=fix) from error


def require_room(into: Path, what: str, needed: int, fix: str) -> None:
    """A DataError where the disk of a folder has less room than so many bytes. It need not be there yet."""
    free = free_bytes(into)
    if needed > free:
        why = f"{what} needs {in_bytes(needed)}, and {in_bytes(free)} are free."
        raise DataError(why, file=into, fix=fix)


def in_bytes(size: int) -> str:
    """A size for the eye."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / 1e3:.0f} kB"


def check_download(head: bytes, path: Path) -> None:
    """Raise when a file begins like what a failed download leaves: a git-lfs pointer, or a web page."""
    if head.startswith(_LFS_POINTER):
        raise DataError(
            "is a pointer of git-lfs, and not the file itself.",
            file=path,
            fix="Run `git lfs install` and `git lfs pull` in its folder, "
            "or download it from an address with `resolve/main`.",
        )
    if _WEB_PAGE.match(head):
        raise DataError(
            "is a web page, and not the file itself.",
            file=path,
            fix="An address with `blob/main` is that of the page; "
            "download the file by the same with `resolve/main`: "
            "wget https://huggingface.co/datasets/OWNER/NAME/resolve/main/FILE",
        )


def file_digest(path: Path, algorithm: Algorithm = "md5", home: Path | None = None) -> str:
    """The file's digest in hex, from memory when path, size, time stamp and inode are those of last time."""
    path = Path(os.path.realpath(path))
    memo = _memo_path(path, home or home_folder())
    try:
        before = _identity(path)
        known = _recall(memo, before)
        if algorithm not in known:
            started = time.time()
            known = known | {algorithm: hash_file(path, algorithm)}
            if _identity(path) == before and _settled(before["mtime_ns"], started):
                _remember(memo, before | known)
    except OSError as error:
        raise DataError(f"the file cannot be read: {error.strerror}.", file=path) from error
    return known[algorithm]


def hash_file(path: Path, algorithm: Algorithm) -> str:
    """The file's digest in hex, read from beginning to end."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _identity(path: Path) -> dict[str, Any]:
    seen = path.stat()
    return {"path": str(path), "size": seen.st_size, "mtime_ns": seen.st_mtime_ns, "inode": seen.st_ino}


def _settled(mtime_ns: int, started: float) -> bool:
    """Whether a later change was bound to move the time stamp. Whole milliseconds betray a coarse clock."""
    step = _COARSE if mtime_ns % 1_000_000 == 0 else _FINE
    return started - mtime_ns / 1e9 > step


def _memo_path(path: Path, home: Path) -> Path:
    # One small file for each hashed file, so that processes never write into each other's.
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:24]
    return home / "digests" / f"{name}.json"


def _recall(memo: Path, identity: dict[str, Any]) -> dict[str, str]:
    note = object_or_none(memo) or {}  # never written, or damaged: hash again
    if any(note.get(key) != value for key, value in identity.items()):
        return {}
    return {name: str(note[name]) for name in ("md5", "sha256") if name in note}


def _remember(memo: Path, note: dict[str, Any]) -> None:
    with suppress(OSError):  # a full or read-only disk costs time, not correctness
        memo.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(memo) as aside:
            aside.write_text(json.dumps(note), "utf-8")
