"""What was shown, asked and answered. Values: a step of a conversation makes a new one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

Ending = Literal["stop", "length", "context", "stopped"]
"""Why an answer ended: the model was done, `--max-new-tokens` was reached, the context window was full,
or somebody stopped it."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture as its file holds it; known to be one."""

    name: str
    """The file or address it came from."""
    data: bytes
    size: tuple[int, int]

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A question with the pictures shown with it, and what was answered once something was."""

    question: str
    pictures: tuple[Picture, ...] = ()
    answer: str | None = None
    """Exactly as the model put it, so that it is read back as it was said."""
    ending: Ending | None = None
    prompt_tokens: int = 0
    new_tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A system text, if any, and exchanges in order."""

    system: str | None = None
    exchanges: tuple[Exchange, ...] = ()

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture shown, in order."""
        return tuple(picture for exchange in self.exchanges for picture in exchange.pictures)

    def asking(self, question: str, pictures: tuple[Picture, ...] = ()) -> Conversation:
        """The conversation with one more question."""
        return replace(self, exchanges=(*self.exchanges, Exchange(question=question, pictures=pictures)))

    def answered(
        self, answer: str, ending: Ending, *, prompt_tokens: int, new_tokens: int, seconds: float
    ) -> Conversation:
        """The conversation with its last question answered."""
        *before, last = self.exchanges
        answered = replace(
            last,
            answer=answer,
            ending=ending,
            prompt_tokens=prompt_tokens,
            new_tokens=new_tokens,
            seconds=round(seconds, 3),
        )
        return replace(self, exchanges=(*before, answered))

    def forgetting(self, count: int) -> Conversation:
        """The conversation without its oldest exchanges; their pictures go to the oldest that is left."""
        gone, left = self.exchanges[:count], self.exchanges[count:]
        if not left:
            return replace(self, exchanges=())
        shown = tuple(picture for exchange in gone for picture in exchange.pictures)
        first = replace(left[0], pictures=(*shown, *left[0].pictures))
        return replace(self, exchanges=(first, *left[1:]))

    def with_system(self, system: str | None) -> Conversation:
        """The conversation under another system text."""
        return replace(self, system=system or None)
