"""What other packages print, log and warn about while they work for us: into a file, not onto the screen.

log = LibraryLog.of_command("run")
with log.diverted():
    ...                                     our lines still reach the screen, by vlmbench.terminal.screen
file = log.moved_to(folder / LIBRARIES)     None where nothing was written
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, TextIO

from vlmbench.files.regular import open_regular
from vlmbench.terminal.screen import are_libraries_shown, kept

LIBRARIES = "libraries.log"
"""In the folder of a run or a training."""
_LOGGERS = ("transformers", "accelerate", "bitsandbytes", "datasets", "DeepSpeed", "huggingface_hub", "torch")
_KEPT = 20
"""Logs of commands without a folder: older ones are deleted."""


class AppendedLog(io.TextIOBase):
    """Appends to a file that is open only while it is written: packages keep the streams that they meet."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.file = file

    def write(self, text: str, /) -> int:
        """Append the text."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with open_regular(self.file, "a", encoding="utf-8", errors="replace") as stream:
            return int(stream.write(text))

    def writable(self) -> bool:
        """It is."""
        return True

    def fileno(self) -> int:
        """That of stderr, which is diverted too: packages ask for it."""
        return 2


class LibraryLog:
    """The log of one command; what other packages write into it may be moved to a run's folder."""

    def __init__(self, file: Path) -> None:
        self._file, self._read = file, 0
        self._stream = AppendedLog(file)

    @classmethod
    def of_command(cls, verb: str) -> LibraryLog:
        """A new one in VLMBENCH_HOME/libraries."""
        from vlmbench.data.disk import home_folder

        folder = home_folder() / "libraries"
        with contextlib.suppress(OSError):
            old = sorted(folder.glob("*.log"), key=lambda file: file.stat().st_mtime)
            for file in old[: 1 - _KEPT]:
                file.unlink()
        return cls(folder / f"{verb}-{os.getpid()}.log")

    @contextmanager
    def diverted(self) -> Iterator[None]:
        """Inside, other packages write into the log, also from C and from processes that they start.

        These are settings of the process. Errors still come through.
        """
        if are_libraries_shown():
            yield
            return
        with ExitStack() as stack:
            screen = stack.enter_context(_own_stderr())
            stack.enter_context(_descriptors(self._file))
            stack.enter_context(redirect_stdout(self._stream))
            stack.enter_context(redirect_stderr(self._stream))
            stack.enter_context(_logged(self._stream))
            stack.enter_context(kept(screen))
            try:
                yield
            finally:
                if self._size() == 0:
                    self._file.unlink(missing_ok=True)

    def moved_to(self, file: Path) -> Path | None:
        """Append what came since the last call to the file, and return the file; None where nothing came.

        Where the file's folder is not there, the log stays what it is, and is returned.
        """
        if self._size() == self._read:
            return None
        if not file.parent.is_dir():
            return self._file
        with self._file.open("rb") as log:
            log.seek(self._read)
            with open_regular(file, "ab") as place:
                place.write(log.read())
            self._read = log.tell()
        return file

    def written(self) -> Path | None:
        """The log; None where nothing is in it."""
        return self._file if self._size() > self._read else None

    def close(self) -> None:
        """Delete the log where all of it was moved."""
        if self._read and self._size() == self._read:
            self._file.unlink(missing_ok=True)

    def _size(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0


@contextmanager
def foreign_output(file: Path) -> Iterator[None]:
    """Inside, what other packages write goes to the file."""
    with LibraryLog(file).diverted():
        yield


@contextmanager
def _own_stderr() -> Iterator[TextIO]:
    """The user's stderr under a number of its own, as far as it has the one that is diverted."""
    try:
        is_diverted = sys.stderr.fileno() == 2
    except (OSError, ValueError):
        is_diverted = False
    if not is_diverted:
        yield sys.stderr
        return
    sys.stderr.flush()
    encoding = sys.stderr.encoding
    with os.fdopen(os.dup(2), "w", encoding=encoding, errors="backslashreplace", buffering=1) as screen:
        faults = not faulthandler.is_enabled()
        if faults:  # of a crash in C nothing else would be seen
            faulthandler.enable(screen)
        try:
            yield screen
        finally:
            if faults:
                faulthandler.disable()


@contextmanager
def _descriptors(file: Path) -> Iterator[None]:
    """What is written to the numbers 1 and 2, by C and by other processes, goes to the file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    log = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    before = {number: os.dup(number) for number in (1, 2)}
    for number in before:
        os.dup2(log, number)
    os.close(log)
    try:
        yield
    finally:
        for number, saved in before.items():
            os.dup2(saved, number)
            os.close(saved)


@contextmanager
def _logged(log: AppendedLog) -> Iterator[None]:
    """Warnings and log lines of other packages go to the log."""

    def show(
        message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        log.write(warnings.formatwarning(message, category, filename, lineno, line))

    last, streams = logging.lastResort, [(handler, handler.stream) for handler in _handlers()]
    with warnings.catch_warnings():
        warnings.showwarning = show
        logging.lastResort = logging.StreamHandler(log)
        logging.lastResort.setLevel(logging.WARNING)
        # Not `setStream`: it flushes the stream before, which may be closed by now.
        for handler, _ in streams:
            handler.stream = log
        try:
            yield
        finally:
            logging.lastResort = last
            for handler, stream in streams:
                handler.stream = stream


def _handlers() -> Iterator[logging.StreamHandler[Any]]:
    """Those that write to the screen."""
    for name in _LOGGERS:
        for handler in logging.getLogger(name).handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                yield handler
