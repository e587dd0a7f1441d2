"""How large a run's model saw each picture, from picture_tokens.jsonl."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.files.json_files import line_object
from vlmbench.files.regular import is_there, whole_lines_of

Seen = tuple[int | None, ...]
"""Width and height of the file, then of what the model saw, tiles and tokens."""
UNKNOWN: Seen = (None,) * 6


@dataclass(frozen=True, slots=True)
class SeenRecord:
    """The file's lines."""

    lines: Mapping[tuple[str, bool], Seen]
    """By digest, and whether the line is of a picture beside others."""

    def of(self, digests: Sequence[str]) -> list[Seen]:
        """A row's pictures; empty where nothing is known of any run's pictures."""
        if not self.lines:
            return []
        several = len(digests) > 1
        return [self.lines.get((d, several)) or self.lines.get((d, False), UNKNOWN) for d in digests]


def read_seen(file: Path) -> SeenRecord:
    """The record of a run; without lines where there is no such file. A damaged line is left out."""
    if not is_there(file):
        return SeenRecord({})
    found: dict[tuple[str, bool], Seen] = {}
    for line in whole_lines_of(file):
        about: dict[str, Any] = line_object(line, own=True) or {}
        if (seen := _seen(about)) is not None:
            found[str(about.get("picture")), about.get("beside_others") is True] = seen
    return SeenRecord(found)


def _seen(about: Mapping[str, Any]) -> Seen | None:
    resized = about.get("resized")
    sides = resized if isinstance(resized, list) and len(resized) == 2 else [None, None]
    seen = (about.get("width"), about.get("height"), *sides, about.get("tiles"), about.get("tokens"))
    are_counts = all(n is None or (type(n) is int and n >= 0) for n in seen)
    return seen if are_counts and None not in seen[:2] else None
