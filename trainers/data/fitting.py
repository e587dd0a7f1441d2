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
CHANGES: tuple[Change, ...] = ("cut", "first turns dropped", "last pictures dropped")
LOSSES: tuple[Loss, ...] = ("no turn", "nothing learned within the limit", "nothing to learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What is left of a conversation, and what was done to it."""

    encoded: Encoded
    change: Change = ""


def fit(
    encoder: Encoder, turns: Sequence[Turn], whole: Encoded, limit: int | None, *, pictures: bool = True
) -> Fitted | Loss:
    """The conversation within the limit, or why it is left out. `whole` is all of it, encoded."""
    if not turns:
        return "no turn"
    if not whole.learned:
        return "nothing to learn"
    if limit is None or len(whole.ids) <= limit:
        return Fitted(encoded=whole)
    plain = whole.cut(limit)
    if plain.learned and plain.pictures == whole.pictures:
        return Fitted(encoded=plain, change="cut")
    return (
        _without_first(encoder, turns, limit, pictures)
        or _without_last(encoder, turns, limit, pictures)
        or "nothing learned within the limit"
    )


def _without_first(encoder: Encoder, turns: Sequence[Turn], limit: int, pictures: bool) -> Fitted | None:
    for first in range(1, len(turns)):
        if pictures and IMAGE in turns[first - 1].question:
            return None
        whole = encoder.encode(turns[first:], pictures=pictures)
        kept = whole.cut(limit)
        if kept.learned and kept.pictures == whole.pictures:
            return Fitted(encoded=kept, change="first turns dropped")
    return None


def _without_last(encoder: Encoder, turns: Sequence[Turn], limit: int, pictures: bool) -> Fitted | None:
    for end in range(len(turns) - 1, 0, -1):
        whole = encoder.encode(turns[:end], pictures=pictures)
        kept = whole.cut(limit)
        if kept.learned and kept.pictures == whole.pictures:
            return Fitted(encoded=kept, change="last pictures dropped")
    return None
