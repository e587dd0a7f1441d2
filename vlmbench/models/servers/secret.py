"""The key of a server, kept out of whatever comes back from one, in any of the usual writings."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

_SHORTEST = 12
"""A shorter one (`EMPTY`, `test`) is no secret and may be a word of an answer."""
GONE = "…"
_BESIDE = r"[\w+/-]?"


class Secret:
    """A key that a server may send back: as it is, reversed, in base64, hex, percent-encoded or escaped."""

    def __init__(self, key: str | None) -> None:
        self._key = key or ""
        guarded = len(self._key) >= _SHORTEST
        self._pattern = re.compile("|".join(_writings(self._key)), re.IGNORECASE) if guarded else None

    def out_of_words(self, text: str) -> str:
        """A message of the server without the key, however short that is."""
        text = text.replace(self._key, GONE) if self._key else text
        return self._pattern.sub(GONE, text) if self._pattern else text

    def out_of(self, document: Any) -> Any:
        """A reply without the key in any of its texts."""
        if self._pattern is None:
            return document
        if isinstance(document, str):
            return self._pattern.sub(GONE, document)
        if isinstance(document, list):
            return [self.out_of(one) for one in document]
        if isinstance(document, dict):
            return {self.out_of(name): self.out_of(value) for name, value in document.items()}
        return document


def _writings(key: str) -> Iterator[str]:
    """Patterns of the writings; in base64 the bytes around the key decide which of three it is."""
    for text in (key, key[::-1]):
        yield "".join(map(_character, text))
    for before in range(3):
        packed = base64.b64encode(b"\0" * before + key.encode("ascii")).decode("ascii").rstrip("=")
        own = packed[(0, 2, 3)[before] : len(packed) - (1 if (before + len(key)) % 3 else 0)]
        pattern = re.escape(own).replace(r"\+", "[-+]").replace("/", "[/_]")
        # The characters beside it hold bits of the key's first and last one.
        yield rf"{_BESIDE if before else ''}{pattern}{_BESIDE}=*"


def _character(one: str) -> str:
    code = f"{ord(one):02x}"
    return rf"(?:{re.escape(one)}|(?:%(?:25)*|\\+x|\\+u00|&#x0*)?{code};?|&#0*{ord(one)};)"
