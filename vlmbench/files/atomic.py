"""Files and folders that are there whole or not at all: written beside their place, then renamed into it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from vlmbench.errors import UsageError, UserError
from vlmbench.files.locks import lock_file

_LEFT = re.compile(r"\..+\.(\d+)-\d+")
"""The name of a file that is being written by that process."""
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def atomic_file(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """A path to write to; the file there replaces `path` when the block ends well, and is removed otherwise.

    `durable` puts the content on the disk first, so that it survives a power failure.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        aside.unlink(missing_ok=True)  # a link that somebody put there would be written through
        yield aside
        if durable:
            _sync(aside)
        aside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def sweep_files(folder: Path) -> None:
    """Remove what `atomic_file` of killed processes left in a folder; call it with the folder's lock held."""
    for left in folder.glob(".*-*"):
        name = _LEFT.fullmatch(left.name)
        if name and not _lives(int(name[1])):
            with contextlib.suppress(OSError):
                left.unlink()


def _lives(process: int) -> bool:
    """Whether a process of this machine has that number; on Windows, where asking would end it, always."""
    if sys.platform == "win32":
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """The same for a folder; one that is at `path` already makes way.

    A killed process leaves its folder, under a name with a dot, and the next one to write to the same place
    removes it.
    """
    with _aside(path) as folder:
        yield folder
        replace_folder(folder, path)


@contextlib.contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """The same where the user named the place: durable, and what exists is never replaced.

    A full disk, or a place that cannot be written, is a UserError.
    """
    refuse_existing(path)
    started = False
    try:
        with _aside(path) as folder:
            started = True
            yield folder
            sync_folder(folder)
            refuse_existing(path)
            folder.rename(path)
    except OSError as error:
        if started and error.errno not in _NO_SPACE and not isinstance(error, PermissionError):
            raise
        raise UserError(
            f"cannot be written: {(error.strerror or str(error)).rstrip('.')}.",
            file=path,
            fix="Nothing was left behind. Free some space there, or name another place.",
        ) from error


@contextlib.contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """An empty folder beside `path`, locked, that is gone after the block unless it was renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path)
    folder = Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.chmod(0o777 & ~_umask())
        with contextlib.suppress(OSError):  # a file system without locks, where nothing is swept either
            stack.enter_context(_locked(folder))
        yield folder


def refuse_existing(path: Path) -> None:
    """Raise UsageError where there is anything at `path`."""
    if path.exists() or path.is_symlink():
        raise UsageError(
            "this already exists, and nothing is written over.",
            file=path,
            fix="Name another place, or remove it first.",
        )


def replace_folder(aside: Path, path: Path) -> None:
    """Rename `aside` to `path`. A folder that is there makes way, also where other processes do the same."""
    for _attempt in range(10):
        try:
            aside.rename(path)
        except OSError:
            if not path.is_dir():
                raise
            remove_folder(path)
        else:
            return
    raise UserError("other processes keep replacing this folder.", file=path, fix="Start again.")


def remove_folder(path: Path) -> None:
    """Remove a folder; it is renamed first, so that no reader ever takes half of it for the whole."""
    doomed = path.with_name(f"{_prefix(path)}{os.getpid()}-{time.monotonic_ns()}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(doomed)
    shutil.rmtree(doomed, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Put every file in it on the disk, so that a later rename never precedes the contents."""
    for file in (path for path in folder.rglob("*") if path.is_file()):
        _sync(file)


def _sync(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())


def _prefix(path: Path) -> str:
    return f".{path.name}.unfinished-"


def _sweep(path: Path) -> None:
    """Remove what killed processes left; a living one holds a lock on its folder."""
    for left in path.parent.glob(f"{_prefix(path)}*"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """An advisory lock on a folder. Raises OSError where it is held or there is none, as on Windows."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock_file(handle)
        yield
    finally:
        os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
