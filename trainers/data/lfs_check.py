"""What downloads leave where data should be: a pointer of git-lfs, or the web page about a file."""

from __future__ import annotations

import re
from pathlib import Path

from vlmbench.errors import DataError

ENOUGH = 4096
"""Bytes from which a stand-in is known."""
_POINTER = b"version https://git-lfs.github.com/spec/"
_PAGE = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html)\b", re.I | re.S)


def refuse_stand_in(head: bytes, path: Path) -> None:
    """Raise where a file begins like one."""
    if head.startswith(_POINTER):
        raise DataError(
            "is a pointer of git-lfs, and not the file itself.",
            file=path,
            fix="Run `git lfs install` and `git lfs pull` in its folder, "
            "or download it from an address with `resolve/main`.",
        )
    if _PAGE.match(head):
        raise DataError(
            "is a web page, and not the file itself.",
            file=path,
            fix="An address with `blob/main` is that of the page; "
            "download the file by the same with `resolve/main`: "
            "wget https://huggingface.co/datasets/OWNER/NAME/resolve/main/FILE",
        )
