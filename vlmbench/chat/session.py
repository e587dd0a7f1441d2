"""A conversation under way with one model: the session, what it talks to, and the talker without weights."""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Protocol

from vlmbench.chat.conversation import Conversation, Ending, Picture
from vlmbench.decoding import seed_of
from vlmbench.domain import Decoding
from vlmbench.errors import UserError


class Session:
    """Asks one question after another and keeps the answers."""

    def __init__(self, talker: Talker, decoding: Decoding, *, system: str | None = None) -> None:
        self.talker, self._decoding = talker, decoding
        self.conversation = Conversation(system=system)
        self.waiting: tuple[Picture, ...] = ()
        """Pictures that go with the next question."""

    def show(self, picture: Picture) -> None:
        """Show a picture with the next question."""
        self.waiting = (*self.waiting, picture)

    def ask(self, question: str) -> Generator[PartialAnswer, None, None]:
        """The answer, growing.

        Closing the generator stops the model; the answer so far is kept, as `stopped`. A question of
        which nothing came (an error, a stop before the first word) is not kept.
        """
        asked = self.conversation.asking(question, self.waiting)
        started, partial = time.perf_counter(), None
        try:
            with closing(self.talker.reply(asked, self._decoding_of(asked))) as reply:
                for partial in reply:
                    yield partial
        finally:
            if partial is not None:
                self.waiting = ()
                self.conversation = asked.answered(
                    partial.text,
                    partial.ending or "stopped",
                    prompt_tokens=partial.prompt_tokens,
                    new_tokens=partial.new_tokens,
                    seconds=time.perf_counter() - started,
                )

    def reset(self) -> None:
        """Start anew; the pictures shown so far go with the next question."""
        self.waiting = (*self.conversation.pictures, *self.waiting)
        self.conversation = replace(self.conversation, exchanges=())

    def forget(self, count: int) -> int:
        """Drop the oldest exchanges, never their pictures; returns how many went."""
        count = min(count, len(self.conversation.exchanges))
        if count == len(self.conversation.exchanges):
            self.reset()
        else:
            self.conversation = self.conversation.forgetting(count)
        return count

    def _decoding_of(self, asked: Conversation) -> Decoding:
        """Each turn draws from a seed of its own, so that a conversation repeats from any turn on."""
        return replace(self._decoding, seed=seed_of(self._decoding, str(len(asked.exchanges))))


_BIT = re.compile(r"\s*\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialAnswer:
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

    def reply(self, conversation: Conversation, decoding: Decoding) -> Generator[PartialAnswer, None, None]:
        """The answer to the last question, growing. Closing the iterator stops the model."""


class ContextFull(UserError):
    """The conversation no longer fits into the model's context window."""


class EchoTalker:
    """Says the same thing every time, a word at a time; for tests of everything around a model."""

    name = "echo"

    def __init__(self, text: str, *, pause: float = 0.0) -> None:
        self._text, self._pause = text, pause

    def reply(self, conversation: Conversation, decoding: Decoding) -> Generator[PartialAnswer, None, None]:
        """Its text, or as many words of it as there may be tokens."""
        words = _BIT.findall(self._text)
        text = ""
        for count, word in enumerate(words[: decoding.max_new_tokens], 1):
            time.sleep(self._pause)
            text += word
            yield PartialAnswer(text=text, prompt_tokens=0, new_tokens=count)
        cut = len(words) > decoding.max_new_tokens
        yield PartialAnswer(
            text=text,
            prompt_tokens=0,
            new_tokens=min(len(words), decoding.max_new_tokens),
            ending="length" if cut else "stop",
        )
