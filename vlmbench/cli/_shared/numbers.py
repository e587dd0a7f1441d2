"""The numbers that flags take, as argparse types whose refusals are sentences."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TypeVar

N = TypeVar("N", int, float)


def _within(kind: Callable[[str], N], held: Callable[[N], bool], words: str) -> Callable[[str], N]:
    def read(text: str) -> N:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not held(number):
            raise argparse.ArgumentTypeError(f"`{text}` is not {words}")
        return number

    return read


whole = _within(int, lambda _: True, "a whole number")
from_zero = _within(int, lambda n: n >= 0, "a whole number from 0")
positive = _within(int, lambda n: n >= 1, "a whole number from 1")
port = _within(int, lambda n: 0 < n < 65536, "a port from 1 to 65535")
seed = _within(int, lambda n: 0 <= n < 2**32, f"a whole number from 0 below {2**32:,}")
"""What torch and NumPy both take."""
above_zero = _within(float, lambda n: 0 < n < float("inf"), "a number above 0")
not_negative = _within(float, lambda n: 0 <= n < float("inf"), "a number from 0")
share = _within(float, lambda n: 0 < n <= 1, "above 0 and at most 1")
