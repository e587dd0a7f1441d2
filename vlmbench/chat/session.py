"""A conversation under way with one model."""

from __future__ import annotations

import time
import zlib
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

from vlmbench.chat.conversation import Conversation, Picture
from vlmbench.chat.talkers import Said, Talker
from vlmbench.domain import Decoding


class Session:
    """Asks one question after another and keeps what was said."""

    def __init__(self, talker: Talker, decoding: Decoding, *, system: str | None = None) -> None:
        self.talker, self._decoding = talker, decoding
        self.conversation = Conversation(system=system)
        self.waiting: tuple[Picture, ...] = ()
        """Pictures that go with the next question."""

    def show(self, picture: Picture) -> None:
        """Show a picture with the next question."""
        self.waiting = (*self.waiting, picture)

    def ask(self, question: str) -> Generator[Said, None, None]:
        """The answer, growing.

        Whoever stops listening stops the model; what it said by then is kept, as `stopped`. A question of
        which nothing came (an error, a stop before the first word) is not kept.
        """
        asked = self.conversation.asking(question, self.waiting)
        started, said = time.perf_counter(), None
        try:
            with closing(self.talker.reply(asked, self._decoding_of(asked))) as reply:
                for said in reply:
                    yield said
        finally:
            if said is not None:
                self.waiting = ()
                self.conversation = asked.answered(
                    said.text,
                    said.ending or "stopped",
                    prompt_tokens=said.prompt_tokens,
                    new_tokens=said.new_tokens,
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
        turn = f"{self._decoding.seed} {len(asked.exchanges)}"
        return replace(self._decoding, seed=zlib.crc32(turn.encode()))
