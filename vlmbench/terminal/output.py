"""What a command leaves on stdout: plain text that steers no terminal, or one sentence where it cannot go."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from vlmbench.errors import UserError
from vlmbench.plain_text import printable


def write(text: str, *, bold: bool = False) -> None:
    """One or more lines; control characters, and characters that the encoding lacks, become escapes."""
    encoding = sys.stdout.encoding or "utf-8"
    shown = printable(text).encode(encoding, "backslashreplace").decode(encoding)
    with arriving():
        sys.stdout.write(f"\033[1m{shown}\033[0m\n" if bold else f"{shown}\n")


@contextlib.contextmanager
def arriving() -> Iterator[None]:
    """Within, stdout is written: a full disk is a UserError; a pipe whose reader is gone stays what it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up()
        raise UserError(f"the output cannot be written to stdout ({error.strerror}).") from error


@contextlib.contextmanager
def read_or_not() -> Iterator[None]:
    """Within, a pipe whose reader is gone is no error: what follows decides the exit code, as a gate does."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        give_up()


def give_up() -> None:
    """Leave the interpreter nothing that it would flush, and fail at, when it ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
