"""Records as LLaVA has them, from LLaVA's and ShareGPT's layout, OpenAI's messages, pairs, and table columns.

    conversations  [{from, value}]                 LLaVA, ShareGPT
    messages       [{role, content}]               OpenAI; content is a text or a list of parts
    texts          [{user, assistant}]             pairs, as in the Cauldron and FineVision
    question, answer                               a table; captions have `prompt` as their question

Columns are recognised by their names in the first record of a set, or named by the source's `map`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vlmbench.data.sources.turns import MODELS, SYSTEM, USERS
from vlmbench.errors import DataError
from vlmbench.plain_text import visible
from vlmbench.templates import IMAGE
from vlmbench.trainers.data.records import parsed

if TYPE_CHECKING:
    from vlmbench.trainers.recipe.model import RecordMap

CONVERSATIONS = ("conversations", "messages", "conversation", "texts")
PICTURES = ("image", "images", "picture", "pictures", "img")
QUESTIONS = ("question", "query", "instruction")
ANSWERS = ("answer", "response", "caption", "txt", "text")
ROLE_KEYS, TEXT_KEYS = ("from", "role"), ("value", "content")
PAIR = ("user", "assistant")
_TEXT_PARTS, _PICTURE_PARTS = ("text", "input_text"), ("image", "image_url", "input_image")
_SHOWN = 300
"""Characters of a first row in an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a record stands, for errors."""

    file: str
    row: int

    def error(self, what: str, key: str | None = None, fix: str | None = None) -> DataError:
        """Something that this record lacks or has too much of."""
        return DataError(what, file=self.file, row=self.row, key=key, fix=fix)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownConversation:
    """Messages of a record, {from, value} as LLaVA has them, and its pictures in the order they are shown."""

    messages: list[dict[str, str]]
    pictures: list[Any]
    """A path, bytes, or whatever else the record has."""


def recognise(
    columns: Mapping[str, Any], given: RecordMap, place: Place, *, table: bool = False
) -> RecordMap:
    """The map with a column for what is said, from the first record; in a `table` all have its columns."""
    for name in (given.conversations, given.question, given.answer, *(table * (given.image, given.id))):
        if name is not None and name not in columns:
            raise _unknown(f"has no column `{name}`, which `map` names", columns, place)
    if given.question is None and given.answer is None and given.prompt is None:
        conversations = given.conversations or _first(CONVERSATIONS, columns)
        if conversations is not None:
            return replace(given, conversations=conversations)
    question = None if given.prompt else given.question or _first(QUESTIONS, columns)
    found = replace(given, question=question, answer=given.answer or _first(ANSWERS, columns))
    if found.answer is None or (found.question is None and found.prompt is None):
        raise _unknown(
            "no column of it is known as a conversation, or as question and answer", columns, place
        )
    return found


def pictures_in(columns: Mapping[str, Any], layout: RecordMap) -> Any:
    """What the record has for its pictures; None where it has none."""
    names = PICTURES if layout.image is None else (layout.image,)
    return next((columns[name] for name in names if columns.get(name) is not None), None)


def _first(names: Sequence[str], columns: Mapping[str, Any]) -> str | None:
    return next((name for name in names if name in columns), None)


def _unknown(what: str, columns: Mapping[str, Any], place: Place) -> DataError:
    row = ", ".join(f"{name}: {_brief(value)}" for name, value in columns.items())
    return place.error(
        f"{what}; its columns are {', '.join(map(visible, columns)) or 'not there'}, and the first record is "
        f"{visible(row, _SHOWN)}.",
        fix="Name them in the source: `map: {conversations: COLUMN, image: COLUMN}`, "
        "`map: {question: COLUMN, answer: COLUMN}`, or `map: {answer: COLUMN, prompt: TEXT}` for captions.",
    )


def _brief(value: Any) -> str:
    if isinstance(value, (bytes, memoryview)):
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_brief(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(_brief, value[:2]))}{', …' * (len(value) > 2)}]"
    return str(value)[:80]


def conversation(
    columns: Mapping[str, Any], layout: RecordMap, pictures: list[Any], place: Place
) -> ShownConversation:
    """The messages of a record. `pictures` are those of its image column, or its shard's."""
    reader = _LayoutReader(layout, pictures, place)
    return reader.conversation(columns)


class _LayoutReader:
    """One record: its messages one after the other, and the pictures that they show on the way."""

    def __init__(self, layout: RecordMap, pictures: list[Any], place: Place) -> None:
        self._layout, self._column, self._place = layout, pictures, place
        self._shown: list[Any] = []
        """A picture, or for one of the column its number."""
        self._taken = 0
        self._placed = False
        """Whether a message has places for pictures as OpenAI has them."""
        self._role = ""

    def conversation(self, columns: Mapping[str, Any]) -> ShownConversation:
        messages, before = [], ""
        for speaker, text in self._spoken(columns):
            if speaker == "system":
                before += f"{text}\n"
            else:
                messages.append({"from": speaker, "value": before + text if speaker == "human" else text})
                before = "" if speaker == "human" else before
        if not any(message["from"] == "human" for message in messages):
            raise self._place.error("has no question.", self._name, "Leave it out, or give it one.")
        return ShownConversation(messages=messages, pictures=self._pictures(messages))

    @property
    def _name(self) -> str:
        return self._layout.conversations or self._layout.question or str(self._layout.answer)

    def _pictures(self, messages: list[dict[str, str]]) -> list[Any]:
        """Pictures in the order of their marks; without any mark they stand before the first question."""
        shown = self._shown + list(range(self._taken, len(self._column)))
        found = [self._column[one] if isinstance(one, int) else one for one in shown if self._there(one)]
        if len(found) < len(shown) and self._placed:
            raise self._place.error(
                f"its questions show {len(shown)} pictures, and it has {len(self._column)}.",
                self._layout.image or "image",
                "Give each place a picture.",
            )
        marks = any(IMAGE in message["value"] for message in messages if message["from"] == "human")
        # LLaVA's own layout says itself where a picture is shown; one that no text shows never is.
        if found and not marks and self._role != "from":
            first = next(message for message in messages if message["from"] == "human")
            first["value"] = f"{IMAGE}\n" * len(found) + first["value"]
        return found

    def _there(self, one: Any) -> bool:
        return not isinstance(one, int) or 0 <= one < len(self._column)

    def _spoken(self, columns: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Speaker (`human`, `gpt`, `system`) and text of each message."""
        layout, place = self._layout, self._place
        if layout.conversations is None:
            asked = self._needed(columns, layout.question) if layout.question else str(layout.prompt)
            yield "human", self._content(asked, str(layout.question), shows=True)
            yield "gpt", self._content(self._needed(columns, layout.answer), str(layout.answer))
            return
        value = self._needed(columns, layout.conversations)
        if isinstance(value, str):
            value = parsed(value, place.row)
        if not isinstance(value, list):
            raise place.error("must be a list of messages.", layout.conversations)
        for message in value:
            yield from self._message(message)

    def _needed(self, columns: Mapping[str, Any], name: str | None) -> Any:
        if name is None or name not in columns:
            raise self._place.error(
                f"has no `{name}`, which the first record of the set has; it has "
                f"{', '.join(map(visible, columns)) or 'nothing'}.",
                name,
                "Give records of another layout a source of their own.",
            )
        return columns[name]

    def _message(self, message: Any) -> Iterator[tuple[str, str]]:
        if not isinstance(message, dict):
            raise self._place.error("every message is an object.", self._name)
        role = self._layout.role or _first(ROLE_KEYS, message)
        if role is None and set(PAIR) <= set(message):
            yield "human", self._content(message["user"], "user", shows=True)
            yield "gpt", self._content(message["assistant"], "assistant")
            return
        text = self._layout.text or _first(TEXT_KEYS, message)
        if role is None or text is None or role not in message or text not in message:
            has = ", ".join(map(visible, message)) or "nothing"
            raise self._place.error(
                f"a message has {has}, and needs a speaker and a text.",
                self._name,
                "Name their keys: `map: {role: KEY, text: KEY}`.",
            )
        self._role = role
        speaker = self._speaker(message[role])
        yield speaker, self._content(message[text], text, shows=speaker == "human")

    def _speaker(self, named: Any) -> str:
        known = {"human": self._layout.human or USERS, "gpt": self._layout.gpt or MODELS}
        known["system"] = self._layout.system or SYSTEM
        for speaker, names in known.items():
            if named in names:
                return speaker
        listed = ", ".join(name for names in known.values() for name in names)
        raise self._place.error(
            f"a message is from `{visible(str(named), 60)}`; known speakers are {listed}.",
            self._name,
            "Name those that ask and answer: `map: {human: [NAME], gpt: [NAME]}`.",
        )

    def _content(self, content: Any, key: str, *, shows: bool = False) -> str:
        """The text of a message; a question's places for pictures become `<image>`."""
        if isinstance(content, str):
            marks = content.count(IMAGE) if shows else 0
            self._take(marks)
            return content
        if not isinstance(content, list):
            raise self._place.error("every message needs a text.", key)
        text = ""
        for part in content:
            if (words := self._words(part, key)) is not None:
                gap = "\n" if text.endswith(IMAGE) and not words.startswith("\n") else ""
                self._take(words.count(IMAGE) if shows else 0)
                text += gap + words
            elif shows:
                self._show(part)
                text += ("\n" if text and not text.endswith("\n") else "") + IMAGE
            else:
                raise self._place.error("an answer or a system text shows a picture.", key, "Take it out.")
        return text

    def _words(self, part: Any, key: str) -> str | None:
        """The text of a part; None for a picture."""
        if isinstance(part, str):
            return part
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        if kind in _PICTURE_PARTS:
            return None
        if kind in (*_TEXT_PARTS, None) and isinstance(part.get("text"), str):
            return str(part["text"])
        raise self._place.error(
            f"a part of a message is `{visible(str(kind), 60)}`; text and image parts are trained on.", key
        )

    def _show(self, part: Mapping[str, Any]) -> None:
        """A part's own picture, or the next of the record's."""
        self._placed = True
        held = next((part[name] for name in _PICTURE_PARTS if part.get(name) is not None), None)
        held = held.get("url", held) if isinstance(held, dict) else held
        if held is None:
            held = next((part[name] for name in ("url", "path", "bytes") if part.get(name) is not None), None)
        if held is not None:
            self._shown.append(held)
        elif isinstance(part.get("index"), int):
            self._shown.append(part["index"])
            self._taken = max(self._taken, part["index"] + 1)
        else:
            self._take(1)

    def _take(self, count: int) -> None:
        self._shown += range(self._taken, self._taken + count)
        self._taken += count
