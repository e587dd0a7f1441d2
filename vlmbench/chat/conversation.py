"""What was shown, asked and answered. Values: a step of a conversation makes a new one."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vlmbench.errors import UserError

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
    """Exactly as the model wrote it, so that the model reads its own words again."""
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


ENDINGS = {
    "length": "the answer was cut at --max-new-tokens; the conversation is kept",
    "context": "the answer was cut: the model's context window is full",
    "stopped": "stopped",
}
"""How an answer ended that did not end by itself."""

_FORMATS = (".md", ".json")
_BACKTICKS = re.compile(r"`+")


def check_transcript(name: str) -> Path:
    """The file that a conversation may be saved to."""
    file = Path(name).expanduser()
    if file.suffix.lower() not in _FORMATS:
        raise UserError("a conversation is saved as .md or .json.", file=name, fix=f"Try `{file.stem}.md`.")
    if file.exists():
        raise UserError("this file is there already.", file=name, fix="Choose another name.")
    return file


def save(conversation: Conversation, name: str, *, model: str) -> Path:
    """Write the conversation as Markdown or JSON, by the name's ending."""
    file = check_transcript(name)
    if file.suffix.lower() == ".json":
        document = {"model": model, "system": conversation.system}
        turns = [exchange_record(exchange) for exchange in conversation.exchanges]
        text = json.dumps(document | {"turns": turns}, ensure_ascii=False, indent=2) + "\n"
    else:
        text = "\n\n".join(_markdown(conversation, model)) + "\n"
    try:
        file.write_text(text, "utf-8", errors="backslashreplace")
    except OSError as error:
        raise UserError(f"cannot be written ({error.strerror}).", file=name) from None
    return file


def exchange_record(exchange: Exchange) -> dict[str, Any]:
    """One turn as a line of JSON."""
    return {
        "question": exchange.question,
        "pictures": [
            {"name": picture.name, "sha256": picture.digest, "size": list(picture.size)}
            for picture in exchange.pictures
        ],
        "answer": None if exchange.answer is None else exchange.answer.strip(),
        "finish": exchange.ending,
        "prompt_tokens": exchange.prompt_tokens,
        "tokens": exchange.new_tokens,
        "seconds": exchange.seconds,
    }


def _markdown(conversation: Conversation, model: str) -> Iterator[str]:
    yield f"# A conversation with {_code(model)}"
    if conversation.system:
        yield f"System:\n\n{_fenced(conversation.system)}"
    for exchange in conversation.exchanges:
        for picture in exchange.pictures:
            yield f"Picture {_code(picture.name)}, {picture.size[0]} × {picture.size[1]}"
        yield f"**Question**\n\n{_fenced(exchange.question)}"
        yield f"**Answer**\n\n{_fenced((exchange.answer or '').strip())}"
        if exchange.ending in ENDINGS:
            yield f"({ENDINGS[exchange.ending]})"


def _fenced(text: str) -> str:
    """Text that no Markdown viewer takes for HTML, links or pictures."""
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    return f"{fence}text\n{text}\n{fence}"


def _code(text: str) -> str:
    marks = "`" * (1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    return f"{marks} {' '.join(text.split())} {marks}" if len(marks) > 1 else f"`{' '.join(text.split())}`"
