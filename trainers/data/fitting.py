"""Conversations that are too long: cut so that every picture stays whole and something is left to learn.

The original tool cuts at the limit, whatever stands there. That is done here too wherever it loses no
picture and leaves something to learn. Elsewhere whole turns go: first from the front, as long as they show no
picture; then from the back, and their pictures with them. What cannot be saved is left out, and said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vlmbench.templates import IMAGE, Turn

from .encoding import Encoded, Encoder

Change = Literal["", "cut", "first turns dropped", "last pictures dropped"]
Loss = Literal["no turn", "nothing learned within the limit", "nothing to learn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What is left of a conversation, and what was done to it."""

    encoded: Encoded
    change: Change = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How long a sample may be."""

    ids: int | None = None
    """A picture counted as one."""
    positions: int | None = None
    """A picture counted as its features."""
    features: int = 1

    def of(self, encoded: Encoded) -> int:
        """Ids that a conversation with these pictures may have."""
        room = len(encoded.ids) if self.ids is None else self.ids
        if self.positions is None:
            return room
        return max(0, min(room, self.positions - (self.features - 1) * encoded.pictures))


def fit(
    encoder: Encoder, turns: Sequence[Turn], whole: Encoded, limit: Limit, *, pictures: bool = True
) -> Fitted | Loss:
    """The conversation within the limit, or why it is left out. `whole` is all of it, encoded."""
    if not turns:
        return "no turn"
    if not whole.learned:
        return "nothing to learn"
    if len(whole.ids) <= limit.of(whole):
        return Fitted(encoded=whole)
    if (plain := _cut(whole, limit)) is not None:
        return Fitted(encoded=plain, change="cut")
    return (
        _without_first(encoder, turns, limit, pictures)
        or _without_last(encoder, turns, limit, pictures)
        or "nothing learned within the limit"
    )


def _cut(whole: Encoded, limit: Limit) -> Encoded | None:
    """Its beginning, where that holds every picture and something to learn."""
    kept = whole.cut(limit.of(whole))
    return kept if kept.learned and kept.pictures == whole.pictures else None


def _without_first(encoder: Encoder, turns: Sequence[Turn], limit: Limit, pictures: bool) -> Fitted | None:
    for first in range(1, len(turns)):
        if pictures and IMAGE in turns[first - 1].question:
            return None
        kept = _cut(encoder.encode(turns[first:], pictures=pictures), limit)
        if kept is not None:
            return Fitted(encoded=kept, change="first turns dropped")
    return None


def _without_last(encoder: Encoder, turns: Sequence[Turn], limit: Limit, pictures: bool) -> Fitted | None:
    for end in range(len(turns) - 1, 0, -1):
        kept = _cut(encoder.encode(turns[:end], pictures=pictures), limit)
        if kept is not None:
            return Fitted(encoded=kept, change="last pictures dropped")
    return None
