"""The language of the terminal: what --lang asks for, else what the locale is."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
from collections.abc import Iterator

LANGUAGES = ("en", "zh")
VARIABLE = "VLMBENCH_LANG"
"""Where --lang is kept: processes that a command starts print in its language."""


def in_chinese() -> bool:
    """Whether texts are printed in Chinese: by --lang, else LC_ALL, LC_MESSAGES, LANG in POSIX's order."""
    names = (VARIABLE, "LC_ALL", "LC_MESSAGES", "LANG")
    locale = next((value for name in names if (value := os.environ.get(name))), "")
    return locale.lower().startswith("zh") and _has_characters(getattr(sys.stdout, "encoding", None))


@contextlib.contextmanager
def spoken_by(language: str | None) -> Iterator[None]:
    """Print in this language within; None changes nothing."""
    before = os.environ.get(VARIABLE)
    if language is not None:
        os.environ[VARIABLE] = language
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = before


@functools.cache
def _has_characters(encoding: str | None) -> bool:
    try:
        return bool("中文，。".encode(encoding or "utf-8"))
    except (UnicodeEncodeError, LookupError):
        return False
