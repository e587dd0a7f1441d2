"""What happens when somebody asks on the page: one step after another, without Gradio."""

from __future__ import annotations

import html
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from vlmbench.answers.thinking import bare, split
from vlmbench.chat.conversation import ENDINGS, Conversation, Exchange, Picture
from vlmbench.chat.session import ContextFull, Session, Talker
from vlmbench.chinese import explained, translated
from vlmbench.domain import Decoding
from vlmbench.errors import UserError
from vlmbench.plain_text import printable

EVERY = 0.05
"""Seconds between two looks at a growing answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatColumn:
    """One model's side of the page."""

    conversation: Conversation = field(default_factory=Conversation)
    said: str = ""
    """An answer that is still growing."""
    status: str = ""
    """How the latest answer ended, or why there is none."""

    def messages(self) -> list[dict[str, Any]]:
        """What is shown, as Gradio's chatbot takes it."""
        shown = [message for exchange in self.conversation.exchanges for message in _messages(exchange)]
        return [*shown, _message("assistant", self.said)] if self.said else shown


def answers(
    talkers: Sequence[Talker],
    columns: Sequence[ChatColumn],
    question: str,
    pictures: tuple[Picture, ...],
    decoding: Decoding,
    enough: Event,
) -> Generator[list[ChatColumn], None, None]:
    """Every model's answer, growing side by side, until all are done or somebody has had enough."""
    sides = [
        _Side(talker, column.conversation, question, pictures, decoding)
        for talker, column in zip(talkers, columns, strict=True)
    ]
    shown = 0.0
    try:
        while not all(side.is_over for side in sides) and not enough.is_set():
            if time.monotonic() - shown >= EVERY:
                yield [side.column() for side in sides]
                shown = time.monotonic()
            for side in sides:
                side.step()
    finally:
        for side in sides:
            side.stop()
    yield [side.column() for side in sides]


class _Side:
    """One model's answer as it grows."""

    def __init__(
        self,
        talker: Talker,
        conversation: Conversation,
        question: str,
        pictures: tuple[Picture, ...],
        decoding: Decoding,
    ) -> None:
        self._session = Session(talker, decoding)
        self._session.conversation, self._session.waiting = conversation, pictures
        self._asked = conversation.asking(question, pictures)
        self._answer = self._session.ask(question)
        self._text = self._problem = ""
        self.is_over = False

    def step(self) -> None:
        """A little further."""
        if self.is_over:
            return
        try:
            self._text = next(self._answer).text.strip()
        except StopIteration:
            self.is_over = True
        except UserError as error:
            self._problem = _problem(error)
            self.is_over = True

    def stop(self) -> None:
        """No further; what came of the answer is kept."""
        self._answer.close()
        self.is_over = True

    def column(self) -> ChatColumn:
        """How it stands."""
        if not self.is_over:
            return ChatColumn(conversation=self._asked, said=self._text, status="…")
        kept = self._session.conversation
        if self._problem or len(kept.exchanges) < len(self._asked.exchanges):
            return ChatColumn(conversation=kept, status=self._problem or "stopped before the first word")
        return ChatColumn(conversation=kept, status=_status(kept.exchanges[-1]))


def _problem(error: UserError) -> str:
    if isinstance(error, ContextFull):
        return f"{error.what} “Clear” starts anew."
    return explained(error)


def _status(exchange: Exchange) -> str:
    tokens = f"{exchange.new_tokens} token{'s' * (exchange.new_tokens != 1)} in {exchange.seconds:.2f} s"
    return f"{tokens} · {ENDINGS[exchange.ending]}" if exchange.ending in ENDINGS else tokens


def _messages(exchange: Exchange) -> list[dict[str, Any]]:
    shown: list[dict[str, Any]] = [
        {"role": "user", "content": {"path": picture.name, "alt_text": Path(picture.name).name}}
        for picture in exchange.pictures
    ]
    shown.append(_message("user", exchange.question))
    if exchange.answer is not None:
        shown += _divided(exchange.answer.strip())
    return shown


def _divided(written: str) -> list[dict[str, Any]]:
    """A thought, which the chatbot folds under its title, and the answer."""
    found = split(written)
    # An answer may be nothing at all, and a bubble without text looks like one that is still to come.
    answer = _message("assistant", found.answer or translated("(an empty answer)"))
    if found.thought is None:
        return [answer]
    thought = _message("assistant", bare(found.thought, found.at) or translated("(an empty thought)"))
    return [thought | {"metadata": {"title": translated("Thought")}}, answer]


def _message(role: str, text: str) -> dict[str, Any]:
    # The chatbot takes what it is given for HTML, even with Markdown off, and would load a picture in it.
    return {"role": role, "content": html.escape(printable(text), quote=False)}
