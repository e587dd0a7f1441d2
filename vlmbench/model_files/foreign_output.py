"""What other packages print, log and warn about while they work for us: into a file, not onto the screen."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

_LOGGERS = ("transformers", "accelerate", "bitsandbytes", "datasets", "DeepSpeed", "huggingface_hub", "torch")


class AppendedLog(io.TextIOBase):
    """Appends to a file that is open only while it is written: packages keep the streams that they meet."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def write(self, text: str, /) -> int:
        """Append the text."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8", errors="replace") as stream:
            return stream.write(text)

    def writable(self) -> bool:
        """It is."""
        return True


@contextmanager
def foreign_output(file: Path) -> Iterator[None]:
    """Inside, what is printed, and what is logged or warned about by other packages, goes to the file.

    These are settings of the process. Errors still come through.
    """
    log = AppendedLog(file)

    def show(
        message: Any, category: Any, filename: str, lineno: int, file: Any = None, line: Any = None
    ) -> None:
        log.write(warnings.formatwarning(message, category, filename, lineno, line))

    last, streams = logging.lastResort, [(handler, handler.stream) for handler in _handlers()]
    with redirect_stdout(log), warnings.catch_warnings():
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
