"""From growing token ids to growing text, and where a stop word ends it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_UNFINISHED = "\ufffd"
"""What a tokenizer makes of the first bytes of a character."""


def settled(text: str) -> str:
    """The text without characters of which some bytes are still to come."""
    return text.rstrip(_UNFINISHED)


def until_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """The text up to the first stop word, and whether there was one.

    While there was none, an end that a stop word may begin with is held back.
    """
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    if places:
        return text[: min(places)], True
    held = max(
        (
            length
            for stop in stops
            for length in range(1, min(len(stop), len(text) + 1))
            if text.endswith(stop[:length])
        ),
        default=0,
    )
    return text[: len(text) - held], False


class Speech:
    """The answer so far, token by token."""

    def __init__(self, tokenizer: Any, ends: frozenset[int], stops: Sequence[str]) -> None:
        self._tokenizer, self._ends, self._stops = tokenizer, ends, tuple(stops)
        self._tokens: list[int] = []
        self.is_over = False
        """The model ended its answer, by a token or by a stop word."""

    def hear(self, tokens: Sequence[int]) -> None:
        """Some more tokens."""
        for token in tokens:
            if not self.is_over:
                self._tokens.append(token)
                self.is_over = token in self._ends

    @property
    def count(self) -> int:
        """How many tokens came, with the one that ended the answer."""
        return len(self._tokens)

    def text(self, *, last: bool = False) -> str:
        """What can be shown by now; at `last`, everything."""
        whole = self._tokenizer.decode(self._tokens, skip_special_tokens=True)
        sure, stopped = until_stop(whole if last or self.is_over else settled(whole), self._stops)
        if stopped:
            self.is_over = True
            return sure
        return whole if last or self.is_over else sure
