"""Files of a run folder, which a stranger may have made: opened only where they are regular files.

Through a link, what is written would land in another file of the user's; a pipe or a device may never end.
Links among the folders of the path are followed: runs may lie on another disk.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from vlmbench.errors import RunFolderError

LONGEST = 1 << 27
"""Bytes of one line, or of a JSON document, that are read; vlmbench writes nothing near it."""
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFDIR: "a folder", stat.S_IFSOCK: "a socket", stat.S_IFLNK: "a link"}


def open_regular(file: Path, mode: str = "rb", **options: Any) -> IO[Any]:
    """As `open`; a RunFolderError where something else than a regular file has that name."""
    return open(file, mode, opener=_opened, **options)


def is_there(file: Path) -> bool:
    """Whether anything has that name; a RunFolderError where it is no regular file."""
    try:
        _check(str(file), file.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def read_whole(file: Path) -> bytes:
    """The content of a regular file; a RunFolderError where it is longer than any that vlmbench writes."""
    with open_regular(file) as stream:
        content: bytes = stream.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise RunFolderError(f"this file is longer than {LONGEST:,} bytes.", file=file)
    return content


def whole_lines_of(file: Path) -> Iterator[bytes]:
    """The lines of a regular file; of one that is too long its first part, which is no JSON."""
    with open_regular(file) as lines:
        yield from iter(lambda: lines.readline(LONGEST), b"")


def _opened(path: str, flags: int) -> int:
    safe = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(path, flags | safe, 0o666)
    except OSError:
        try:
            mode = os.lstat(path).st_mode
        except OSError:
            mode = stat.S_IFREG
        _check(path, mode)
        raise
    try:
        _check(path, os.stat(handle).st_mode)  # noqa: PTH116 - of a descriptor
    except RunFolderError:
        os.close(handle)
        raise
    return handle


def _check(path: str, mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise RunFolderError(
            f"this is {_KINDS.get(stat.S_IFMT(mode), 'a device')}, not a regular file.",
            file=path,
            fix="Remove it, or put the file itself in its place.",
        )
