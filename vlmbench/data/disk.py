"""Errors of writing to a disk, in the user's words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmbench.errors import DataError

_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}


@contextmanager
def writing(into: Path, what: str, needed: int | None, fix: str) -> Iterator[None]:
    """Turn a failed write into a DataError: what was written, where, and how much room it needs."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            room = f"; it needs up to {needed / 1e6:,.0f} MB there" if needed is not None else ""
            why = f"the disk is full or its quota is used up{room}."
        else:
            why = f"{error.strerror or error}."
        raise DataError(f"cannot write {what}: {why}", file=into, fix=fix) from error
