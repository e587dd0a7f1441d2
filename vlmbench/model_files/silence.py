"""Errors of transformers for inside our sentences, and none of its own log lines, bars and warnings."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

_lock = threading.Lock()
_inside = 0
_before = ExitStack()


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines, bars or warnings of transformers inside; its errors still come through.

    vlmbench checks by itself what the warnings are about: missing weights, settings of greedy decoding,
    padding. These are settings of the process: of several threads inside, the first sets them and the last
    one restores them.
    """
    global _inside
    with _lock:
        if _inside == 0:
            _before.enter_context(_silence())
        _inside += 1
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                _before.close()


@contextmanager
def _silence() -> Iterator[None]:
    from transformers.utils import logging as transformers_logging

    logging: Any = transformers_logging
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"(transformers|torch|huggingface_hub)(\.|$)")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()


def first_line(error: BaseException, limit: int = 300) -> str:
    """The first line of an error, for inside a sentence; its type where it has no text."""
    if isinstance(error, KeyError):
        return f"no key {error}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0].rstrip(".") if lines else type(error).__name__
    return text if len(text) <= limit else f"{text[:limit]}…"
