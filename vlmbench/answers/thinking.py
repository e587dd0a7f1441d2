"""Where a thought ends and the answer begins: one parser for every family's marks, before every rule set.

    split("<think>A cat, so B.</think>\\n\\nB").answer == "B"

The answer is what stands behind the last thought; else what stands between thoughts, or before them where
all are closed. A thought that is never closed has no answer: nothing inside it is read. Nothing is lost: the
answer is cut out of what the model wrote, and `Transcript.raw` puts it back.

Answer tags (`<answer>`, `<|begin_of_box|>`, `\\boxed`) stay in the answer, since a rule set may read them;
`unwrapped` is for those that compare whole answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vlmbench.answers.thinking_marks import (
    FAMILIES,
    MARK,
    OPENING,
    PIECES,
    Mark,
    end_of_words,
    is_format,
    line_before,
    marks_meant,
)

ThoughtState = Literal["none", "finished", "unfinished"]
"""No thought; a thought and an answer; a thought without an answer."""
_ANSWER_TAGS = (
    ("<answer>", "</answer>"),
    ("<response>", "</response>"),
    ("<solution>", "</solution>"),
    ("<conclusion>", "</conclusion>"),
    ("<|begin_of_solution|>", "<|end_of_solution|>"),
    ("<|start_response|>", "<|end_response|>"),
    ("<|begin_of_box|>", "<|end_of_box|>"),
)
_BOX = re.compile(r"<\|begin_of_box\|>(.*?)<\|end_of_box\|>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a model wrote, divided."""

    answer: str
    thought: str | None
    """All but the answer, marks and blanks included; None without a thought."""
    at: int
    """Where the answer stands in `thought`."""

    @property
    def raw(self) -> str:
        """What the model wrote, to the last character."""
        return rejoined(self.thought or "", self.answer, self.at)

    @property
    def state(self) -> ThoughtState:
        """Whether there is a thought, and an answer with it."""
        if self.thought is None:
            return "none"
        return "finished" if self.answer else "unfinished"


@dataclass(frozen=True, slots=True)
class _Thought:
    """A thought's place, its marks included; `end` None: it is not closed."""

    start: int
    end: int | None


def split(text: str, *, opened: str = "") -> Transcript:
    """Thought and answer of a raw text. `opened` is the mark with which the prompt has opened a thought."""
    if not opened and MARK.search(text) is None:
        return Transcript(text, None, 0)
    thoughts = _thoughts(text, opened)
    if not thoughts:
        return Transcript(text, None, 0)
    start, end = _answer_place(text, thoughts)
    return Transcript(text[start:end], text[:start] + text[end:], start)


def rejoined(thought: str, answer: str, at: int) -> str:
    """What the model wrote: the answer put back in its place."""
    return thought[:at] + answer + thought[at:]


def bare(thought: str, at: int | None) -> str:
    """A thought for reading, without the marks around it; `at` is where its answer was cut out."""
    before, behind = (thought, "") if at is None else (thought[:at], thought[at:])
    return "\n".join(words for part in (before, behind) if (words := _without_marks(part)))


def opens_itself(thought: str) -> bool:
    """Whether the model wrote the mark that opens its thought: otherwise the prompt did."""
    return OPENING.match(thought, len(thought) - len(thought.lstrip())) is not None


def opening_of(prompt: str) -> str:
    """The mark at the end of a prompt that opens a thought; empty where there is none."""
    last = None
    for last in OPENING.finditer(prompt):  # noqa: B007 - the last one counts
        pass
    return last.group() if last is not None and not prompt[last.end() :].strip() else ""


def why_no_answer(thought: str) -> str:
    """Of an unfinished thought: whether it was closed."""
    ends = end_of_words(thought, 0, len(thought)) < len(thought.rstrip())
    return "nothing after the reasoning" if ends else "reasoning that never ends"


def unwrapped(answer: str) -> str:
    """What the answer tags around a whole answer enclose, or the only box in it."""
    text = answer.strip()
    low = text.lower() if text.startswith("<") else ""
    for opens, closes in _ANSWER_TAGS:
        if low.startswith(opens) and low.count(opens) == 1:
            inner = text.removesuffix(text[-len(closes) :]) if low.endswith(closes) else text
            if closes not in inner.lower():
                return unwrapped(inner[len(opens) :].strip())
    boxes = _BOX.findall(text) if "<|begin_of_box|>" in text else []
    return str(boxes[0]).strip() if len(boxes) == 1 else answer


def tokens_to_keep(special: Sequence[str]) -> list[str]:
    """Those of a tokenizer's special tokens without which its thoughts could not be found."""
    marks = [name for name in special if MARK.fullmatch(name) or name in ("<|channel>",)]
    return marks + [name for name in special if name in PIECES and "<|channel|>" in special]


def _without_marks(part: str) -> str:
    start, end = _start_of_words(part, 0), end_of_words(part, 0, len(part))
    while start < end and (opens := OPENING.match(part, start)) is not None:
        start = _start_of_words(part, opens.end())
    return part[start:end]


def _start_of_words(text: str, start: int) -> int:
    while start < len(text) and text[start].isspace():
        start += 1
    return start


def _thoughts(text: str, opened: str) -> list[_Thought]:
    """The thoughts in order; only the last may be open."""
    marks = marks_meant(text)
    words_end = end_of_words(text, 0, len(text))
    last_close = {mark.family: number for number, mark in enumerate(marks) if not mark.opens}
    found: list[_Thought] = []
    number = 0
    if opened:
        number, end = _end_of_thought(text, marks, 0, _family_of(opened), 0)
        found.append(_Thought(0, end))
    while number < len(marks) and (not found or found[-1].end is not None):
        mark = marks[number]
        number += 1
        if mark.opens and (last_close.get(mark.family, -1) > number - 1 or _begins(text, mark, found)):
            number, end = _end_of_thought(text, marks, number, mark.family, mark.end)
            found.append(_Thought(mark.start, end))
        elif not mark.opens and not FAMILIES[mark.family].needs_open and (not found or mark.end < words_end):
            # A close without an open: the first, or a later one with words behind it.
            found = [_Thought(0, mark.end)]
    return found


def _family_of(opening: str) -> int:
    found = MARK.fullmatch(opening)
    return int((found.lastgroup or "o0")[1:]) if found is not None else 0


def _end_of_thought(
    text: str, marks: Sequence[Mark], number: int, family: int, place: int
) -> tuple[int, int | None]:
    """Where the thought that begins at `place` ends, after the number of the first mark behind it.

    Of thoughts inside thoughts, where fewer are closed than opened, the last close ends all.
    """
    depth, end, behind = 1, None, len(marks)
    while number < len(marks) and depth:
        mark, number = marks[number], number + 1
        if mark.family != family:
            continue
        if not mark.opens:
            depth, end, behind = depth - 1, mark.end, number
        elif not FAMILIES[family].nests:
            continue
        elif number < len(marks) and is_format(text, mark, marks[number]):
            number += 1
        # Two opens in a row are one: the prompt's and the model's.
        elif text[place : mark.start].strip():
            depth += 1
        else:
            place = mark.end
    return behind, end if end is not None else _final_answer(text, place)


def _final_answer(text: str, place: int) -> int | None:
    """Where the text ends with `<answer>…</answer>`, after a sentence: it closes the thought, too."""
    start = text.rfind("<answer>", place)
    if start < 0 or not text.rstrip().endswith("</answer>"):
        return None
    before = text[place:start]
    return start if before.endswith("\n") or before.rstrip().endswith((".", "!", "?", "。", ">")) else None


def _begins(text: str, mark: Mark, found: Sequence[_Thought]) -> bool:
    """Whether a mark that is never closed opens a thought: first in the text or on a line."""
    before = text[(found[-1].end or 0) if found else 0 : mark.start]
    return not before.strip() or not line_before(text, mark.start).strip(" \t>*")


def _answer_place(text: str, thoughts: Sequence[_Thought]) -> tuple[int, int]:
    """Where the answer stands: an empty place at the end where there is none."""
    starts = [*(thought.start for thought in thoughts), len(text)]
    gaps = [(t.end, starts[n]) for n, t in enumerate(thoughts, 1) if t.end is not None]
    if len(gaps) == len(thoughts):
        gaps.insert(0, (0, starts[0]))
    places = (_trimmed(text, start, end) for start, end in reversed(gaps))
    return next(filter(None, places), (len(text), len(text)))


def _trimmed(text: str, start: int, end: int) -> tuple[int, int] | None:
    """A stretch of the text without blanks and marks around it; None if nothing is left."""
    end = end_of_words(text, start, end)
    start = _start_of_words(text, start)
    return (start, end) if start < end else None
