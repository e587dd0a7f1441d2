"""What a session talks to, and the talker without weights."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Protocol

from vlmbench.chat.conversation import Conversation, Ending
from vlmbench.domain import Decoding
from vlmbench.errors import UserError

_BIT = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An answer as far as it has come; each one begins with the one before."""

    text: str
    prompt_tokens: int
    new_tokens: int
    ending: Ending | None = None
    """None while there is more to come."""


class Talker(Protocol):
    """Anything that continues a conversation."""

    @property
    def name(self) -> str:
        """What it is called on the screen."""

    def reply(self, conversation: Conversation, decoding: Decoding) -> Generator[Said, None, None]:
        """The answer to the last question, growing. Closing the iterator stops the model."""


class ContextFull(UserError):
    """The conversation no longer fits into the model's context window."""


class EchoTalker:
    """Says the same thing every time, a word at a time; for tests of everything around a model."""

    name = "echo"

    def __init__(self, text: str, *, pause: float = 0.0) -> None:
        self._text, self._pause = text, pause

    def reply(self, conversation: Conversation, decoding: Decoding) -> Generator[Said, None, None]:
        """Its text, or as many words of it as there may be tokens."""
        words = _BIT.findall(self._text)
        said = ""
        for count, word in enumerate(words[: decoding.max_new_tokens], 1):
            time.sleep(self._pause)
            said += word
            yield Said(text=said, prompt_tokens=0, new_tokens=count)
        cut = len(words) > decoding.max_new_tokens
        yield Said(
            text=said,
            prompt_tokens=0,
            new_tokens=min(len(words), decoding.max_new_tokens),
            ending="length" if cut else "stop",
        )
