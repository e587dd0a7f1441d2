"""A conversation as a question and its answer: OpenAI's `messages` and LLaVA's `conversations`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from vlmbench.data.sources.column import is_list
from vlmbench.data.sources.options import UnreadableCell

USERS, MODELS, SYSTEM = ("human", "user"), ("gpt", "assistant", "model", "chatgpt"), ("system",)
"""Who speaks in published conversations, for benchmarks and for training data alike."""
TAG = "<image>"


@dataclass(frozen=True, slots=True)
class QuestionAndAnswer:
    """One question of a conversation."""

    question: str
    """With `<image>` where a picture belongs."""
    answer: str
    pictures: tuple[Any, ...]
    """Those that stand in the conversation itself, in order."""


def read_turns(value: Any) -> QuestionAndAnswer:
    """The question and the answer; a conversation of several questions is an UnreadableCell."""
    pictures: list[Any] = []
    said: dict[str, list[str]] = {"question": [], "answer": []}
    for turn in _turns(value):
        role = str(turn.get("role", turn.get("from", ""))).lower()
        text = "".join(_parts(turn.get("content", turn.get("value")), pictures))
        if role in USERS:
            said["question"].append(text)
        elif role in MODELS:
            said["answer"].append(text)
        elif role not in SYSTEM:
            raise UnreadableCell(f"its conversation has a turn of the role `{role[:40]}`")
    if len(said["question"]) != 1 or len(said["answer"]) > 1:
        raise UnreadableCell(f"its conversation has {len(said['question'])} questions, and one is asked")
    return QuestionAndAnswer(said["question"][0], "".join(said["answer"]), tuple(pictures))


def _turns(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise UnreadableCell("its conversation is a text and not JSON") from None
    if not is_list(value) or not all(isinstance(turn, Mapping) for turn in value):
        raise UnreadableCell("its conversation is not a list of turns")
    yield from value


def _parts(content: Any, pictures: list[Any]) -> Iterator[str]:
    """The texts of one turn, a tag for each picture; pictures that stand in it are put into the list."""
    if isinstance(content, str):
        yield content
        return
    for part in content if is_list(content) else ():
        if not isinstance(part, Mapping):
            raise UnreadableCell("a turn of its conversation has a part that is not an object")
        shown = part.get("image_url") or part.get("image")
        if str(part.get("type", "text")).startswith("image") or shown:
            yield TAG
            if shown:
                pictures.append(shown.get("url") if isinstance(shown, Mapping) and "url" in shown else shown)
        else:
            yield str(part.get("text") or "")
