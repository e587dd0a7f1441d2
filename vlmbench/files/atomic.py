"""A folder that is there whole or not at all: written beside its place, then renamed into it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vlmbench.errors import UserError
from vlmbench.files.locks import lock_file

NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextlib.contextmanager
def written_aside(dst: Path) -> Iterator[Path]:
    """A folder to write into; it becomes `dst` when the block ends well and is removed when it does not.

    A process that is killed leaves its folder aside, under a name with a dot; the next one to write
    to the same place removes it.
    """
    refuse_existing(dst)
    try:
        dst.parent.mkdir(parents=True, exist_ok=True)
        _sweep(dst)
        aside = Path(tempfile.mkdtemp(prefix=_prefix(dst), dir=dst.parent))
        aside.chmod(0o777 & ~_umask())
    except OSError as error:
        raise _told(error, dst) from error
    with contextlib.ExitStack() as held:
        held.callback(shutil.rmtree, aside, ignore_errors=True)
        held.enter_context(_locked(aside))
        try:
            yield aside
            _settle(aside)
            refuse_existing(dst)
            aside.rename(dst)
        except OSError as error:
            if error.errno not in NO_SPACE and not isinstance(error, PermissionError):
                raise
            raise _told(error, dst) from error


def refuse_existing(dst: Path) -> None:
    """Nothing is ever written over."""
    if dst.exists() or dst.is_symlink():
        raise UserError(
            "this already exists, and nothing is written over.",
            file=dst,
            fix="Name another place, or remove it first.",
        )


def _prefix(dst: Path) -> str:
    return f".{dst.name}.unfinished-"


def _sweep(dst: Path) -> None:
    """Remove what a killed process left; a living one holds a lock on its folder."""
    for left in dst.parent.glob(f"{_prefix(dst)}*"):
        with contextlib.suppress(OSError), _locked(left):
            shutil.rmtree(left, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """An advisory lock that the operating system drops when the process dies, however it dies."""
    if sys.platform == "win32":  # a folder cannot be locked there
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock_file(handle)
        yield
    finally:
        os.close(handle)


def _settle(folder: Path) -> None:
    """On the disk and not only in memory, so that the rename never comes before the contents."""
    for file in (path for path in folder.rglob("*") if path.is_file()):
        with file.open("rb+") as stream:
            os.fsync(stream.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _told(error: OSError, dst: Path) -> UserError:
    return UserError(
        f"cannot be written: {(error.strerror or str(error)).rstrip('.')}.",
        file=dst,
        fix="Nothing was left behind. Free some space there, or name another place.",
    )
