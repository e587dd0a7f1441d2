"""Conversations to token ids, and which of them are learned; long ones cut to a limit.

A turn is: instruction (with each picture as the one id -200), answer and suffix, the end token where the
template has none of its own, separator. Every piece is tokenised for itself. Answer, suffix and end token
are learned; all else is not.

`fit` cuts at the limit, whatever stands there, as the original tool does, wherever that loses no picture and
leaves something to learn. Elsewhere whole turns go: first from the front, as long as they show no picture;
then from the back, and their pictures with them. What cannot be saved is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from vlmbench.templates import IMAGE, Template, Turn
from vlmbench.trainers.data.tokenizer import PieceTokenizer

IMAGE_ID = -200
"""Stands for a picture, however many features it has."""
IGNORE = -100
"""The label of what is not learned."""
Change = Literal["", "cut", "first turns dropped", "last pictures dropped"]
Loss = Literal["no turn", "nothing learned within the limit", "nothing to learn"]
"""Why a conversation is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """Token ids, and the stretches of them that are learned, as (first, one behind the last)."""

    ids: list[int]
    learned: list[tuple[int, int]]

    @property
    def labels(self) -> list[int]:
        """The ids where they are learned, -100 elsewhere."""
        labels = [IGNORE] * len(self.ids)
        for start, stop in self.learned:
            labels[start:stop] = self.ids[start:stop]
        return labels

    @property
    def pictures(self) -> int:
        """How many pictures it shows."""
        return self.ids.count(IMAGE_ID)

    @property
    def targets(self) -> int:
        """How many tokens are learned."""
        return sum(stop - start for start, stop in self.learned)

    def cut(self, length: int) -> Encoded:
        """The first `length` ids."""
        runs = [(start, min(stop, length)) for start, stop in self.learned if start < length]
        return Encoded(ids=self.ids[:length], learned=runs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a conversation is written."""

    template: Template | None
    """None: question and answer as they are, with an end token after each answer."""
    system: str | None = None
    """For the first question, in the template's own wording."""
    preamble: str = ""
    """Text in front of the first question as it stands."""
    separator: str | None = None
    """Between turns; None: the template's."""
    bos: Literal["each", "once", "none"] = "each"
    """A beginning token after every end token, or at the beginning alone, or nowhere."""
    keep: Literal["all", "first", "answers"] = "all"
    """`first`: one turn. `answers`: the first turn as picture, answer and newline, and nothing else."""

    @property
    def ends(self) -> bool:
        """Whether the tokenizer's end token follows each answer, and its first token each such end."""
        return self.keep != "answers" and (self.template is None or not self.template.suffix_ends)

    def kept(self, turns: Sequence[Turn]) -> list[Turn]:
        """The turns that are written."""
        if self.keep == "all":
            return list(turns)
        if self.keep == "first":
            return list(turns[:1])
        pictures = [IMAGE * turn.question.count(IMAGE) for turn in turns[:1]]
        return [replace(turn, question=shown) for turn, shown in zip(turns, pictures, strict=False)]

    def question(self, turn: Turn, number: int) -> str:
        """What comes before the answer of the `number`-th turn."""
        first = number == 1
        if first and self.system and not turn.system:
            turn = replace(turn, system=self.system)
        bare = self.template is None or self.keep == "answers"
        asked = turn.question if bare or self.template is None else self.template.ask(turn, number)
        return self.preamble + asked if first else asked

    def answer(self, turn: Turn) -> tuple[str, str]:
        """What is learned of a turn, and what stands between it and the next."""
        answer = turn.answer or ""
        if self.keep == "answers":
            return f"{answer}\n", ""
        if self.template is None:
            return answer, self.separator or ""
        separator = self.template.separator if self.separator is None else self.separator
        return answer + self.template.suffix, separator


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Writes conversations in one style with one tokenizer."""

    tokenizer: PieceTokenizer
    style: Style

    def encode(
        self, turns: Sequence[Turn], *, pictures: bool = True, silent: Collection[int] = ()
    ) -> Encoded:
        """One conversation; the turns numbered (from 0) in `silent` are read and not learned.

        Without `pictures`, `<image>` is text as any other.
        """
        return self._join(turns, self._known([(turns, pictures)]), pictures, silent)

    def encode_all(self, conversations: Sequence[tuple[Sequence[Turn], bool]]) -> list[Encoded]:
        """Many conversations, each with whether it has pictures, in one call of the tokenizer."""
        known = self._known(conversations)
        return [self._join(turns, known, pictures, ()) for turns, pictures in conversations]

    def _known(self, conversations: Sequence[tuple[Sequence[Turn], bool]]) -> dict[str, list[int]]:
        texts = dict.fromkeys(
            text
            for turns, pictures in conversations
            for number, turn in enumerate(turns, 1)
            for text in (*self._question(turn, number, pictures), *self.style.answer(turn))
            if text
        )
        return dict(zip(texts, self.tokenizer.encode(list(texts)), strict=True)) | {"": []}

    def _question(self, turn: Turn, number: int, pictures: bool) -> list[str]:
        """The texts around the pictures."""
        text = self.style.question(turn, number)
        return text.split(IMAGE) if pictures else [text]

    def _join(
        self, turns: Sequence[Turn], known: dict[str, list[int]], pictures: bool, silent: Collection[int]
    ) -> Encoded:
        ids: list[int] = []
        learned: list[tuple[int, int]] = []
        begins = () if self.style.bos == "none" else self.tokenizer.bos
        ends = self.tokenizer.eos if self.style.ends else ()
        for number, turn in enumerate(turns):
            ids += begins
            first, *rest = self._question(turn, number + 1, pictures)
            ids += known[first]
            for text in rest:
                ids.append(IMAGE_ID)
                ids += known[text]
            answer, separator = self.style.answer(turn)
            start = len(ids)
            ids += known[answer]
            ids += ends
            if number not in silent and len(ids) > start:
                learned.append((start, len(ids)))
            ids += known[separator]
            if not self.style.ends or self.style.bos == "once":
                begins = ()
        return Encoded(ids=ids, learned=learned)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """What is left of a conversation, and what was done to it."""

    encoded: Encoded
    change: Change = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How long a sample may be; None: as long as it is."""

    ids: int | None = None
    """A picture counted as one."""
    positions: int | None = None
    """A picture counted as its features."""
    features: int = 1

    def of(self, encoded: Encoded) -> int:
        """How many ids a conversation with these pictures may have."""
        room = len(encoded.ids) if self.ids is None else self.ids
        if self.positions is None:
            return room
        return max(0, min(room, self.positions - (self.features - 1) * encoded.pictures))


def fit(
    encoder: Encoder, turns: Sequence[Turn], whole: Encoded, limit: Limit, *, pictures: bool = True
) -> Fitted | Loss:
    """The conversation within the limit, or why it is left out. `whole` is all of it, encoded."""
    if not turns:
        return "no turn"
    if not whole.learned:
        return "nothing to learn"
    if len(whole.ids) <= limit.of(whole):
        return Fitted(encoded=whole)
    if (plain := _cut(whole, limit)) is not None:
        return Fitted(encoded=plain, change="cut")
    return (
        _without_first(encoder, turns, limit, pictures)
        or _without_last(encoder, turns, limit, pictures)
        or "nothing learned within the limit"
    )


def _cut(whole: Encoded, limit: Limit) -> Encoded | None:
    """The beginning within the limit, if that holds every picture and something to learn."""
    kept = whole.cut(limit.of(whole))
    return kept if kept.learned and kept.pictures == whole.pictures else None


def _without_first(encoder: Encoder, turns: Sequence[Turn], limit: Limit, pictures: bool) -> Fitted | None:
    for first in range(1, len(turns)):
        if pictures and IMAGE in turns[first - 1].question:
            return None
        kept = _cut(encoder.encode(turns[first:], pictures=pictures), limit)
        if kept is not None:
            return Fitted(encoded=kept, change="first turns dropped")
    return None


def _without_last(encoder: Encoder, turns: Sequence[Turn], limit: Limit, pictures: bool) -> Fitted | None:
    for end in range(len(turns) - 1, 0, -1):
        kept = _cut(encoder.encode(turns[:end], pictures=pictures), limit)
        if kept is not None:
            return Fitted(encoded=kept, change="last pictures dropped")
    return None
