"""A conversation as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlmbench.chat.conversation import Conversation, Exchange
from vlmbench.errors import UserError

ENDINGS = {
    "length": "the answer was cut at --max-new-tokens; nothing said before is lost",
    "context": "the answer was cut: the model's context window is full",
    "stopped": "stopped",
}
"""What to say of an answer that did not end by itself."""

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
