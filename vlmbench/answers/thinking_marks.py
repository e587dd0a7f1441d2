"""The marks that families of models put around a thought, and which of them in a text are meant as such.

A mark is text where it is quoted (`<think>` in quotes, code or a fenced example of a format) or mentioned
(`put </think> before the answer`, `B. </think>` as the text of an option).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class MarkFamily:
    """How one family of models marks its thoughts: two regular expressions."""

    opens: str
    closes: str
    nests: bool = True
    needs_open: bool = False
    """A close without an open is text: they could be anybody's words."""
    ends: str = ""
    """What it may write when it stops."""


def _xml(name: str) -> MarkFamily:
    return MarkFamily(rf"(?i:<{name}>)", rf"(?i:</{name}>)")


FAMILIES = (
    # DeepSeek-R1, Qwen3-VL, Qwen3.5, GLM-4.xV, InternVL3.5, MiMo-VL, Skywork-R1V, Ovis2.5, Magistral 1.0, …
    _xml("think(?:ing)?"),
    _xml("thoughts?"),
    _xml("reason(?:ing)?"),
    _xml("analysis"),  # Keye-VL
    _xml("seed:think"),  # Seed-OSS
    _xml("mm:think"),
    _xml("longcat_think"),
    MarkFamily(r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),  # Sky-T1, OpenThinker, Virgo
    MarkFamily("◁think▷", "◁/think▷"),  # Kimi-VL
    MarkFamily(r"\[THINK\]", r"\[/THINK\]"),  # Magistral from 2507, Ministral 3
    MarkFamily(r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),  # Command A
    MarkFamily(r"<\|channel>thought\n?", r"<channel\|>", ends=r"<turn\|>"),  # Gemma 4
    MarkFamily(r"<unused94>(?:thought\n)?", "<unused95>"),  # MedGemma
    MarkFamily(  # gpt-oss: every channel but `final` is a thought
        r"(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)[^<\n]{0,80}"
        r"(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>",
        r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>final[^<\n]{0,40}<\|message\|>",
        nests=False,
        ends=r"<\|(?:return|end|call)\|>",
    ),
    # The same, of a decoder that drops special tokens.
    MarkFamily(r"\Aanalysis(?=[A-Z\"'“(\[])", "assistantfinal", nests=False, needs_open=True),
    MarkFamily(  # Granite 3.2
        r"\A\s{0,20}Here(?:'s| is) my thought process:",
        r"Here(?:'s| is) my response:",
        nests=False,
        needs_open=True,
    ),
    MarkFamily(  # LLaVA-CoT
        r"\A\s{0,20}<SUMMARY>", "<CONCLUSION>", nests=False, needs_open=True, ends="</CONCLUSION>"
    ),
)
MARK = re.compile(
    r"(?=[<\[◁aH]|\A\s)(?:"  # what they begin with: other characters are passed over at once
    + "|".join(f"(?P<o{n}>{f.opens})|(?P<c{n}>{f.closes})" for n, f in enumerate(FAMILIES))
    + ")"
)
OPENING = re.compile("|".join(f.opens for f in FAMILIES))
_TAIL = re.compile(
    f"(?:{'|'.join([*(f.closes for f in FAMILIES), *(f.ends for f in FAMILIES if f.ends)])})\\Z"
)
_LONGEST_TAIL = 150
PIECES = frozenset(
    {"<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|return|>", "<|call|>", "<|constrain|>"}
)
"""Tokens that make a mark of gpt-oss together; other families have some of them and mean something else."""

_QUOTES = {"`": "`", "'": "'", '"': '"', "“": "”", "‘": "’", "「": "」", "『": "』", "«": "»", "(": ")"}
_BREAK = re.compile("[\n\r\x0b\x0c\x85\u2028\u2029]")
_WINDOW = 400
"""Characters before and after a mark that are read to see whether it is meant."""
_BEFORE_MENTION = re.compile(r"(?:[\w,;:(*] ?|[\u4e00-\u9fff])\Z")
_AFTER_MENTION = re.compile(
    r"[ *]{0,3}(?:[,;:)]|(?:tags?|tokens?|blocks?|marks?|markers?|sections?|elements?|and|or|means?|is|are|"
    r"in|to|at|before|after|then|ends?|starts?|closes|opens|when|with)\b|标签|标记|和|之|是|前|后|里|中)"
)
_OPTION = re.compile(r"[\s*(]{0,5}[A-Z][.):][\s*]{0,5}")


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark in a text."""

    family: int
    opens: bool
    start: int
    end: int


def marks_meant(text: str) -> list[Mark]:
    """The marks of a text that are neither quoted nor mentioned, in order."""
    found = [mark for mark in _marks(text) if not _is_quoted(text, mark) and not _is_mentioned(text, mark)]
    kept = _without_examples(text, found)
    quoted = {mark for pair in pairwise(kept) if _is_quoted_pair(text, *pair) for mark in pair}
    return [mark for mark in kept if mark not in quoted]


def end_of_words(text: str, start: int, end: int) -> int:
    """Where the words of this stretch end: before blanks, closes and what a model may write when it stops."""
    while True:
        while end > start and text[end - 1].isspace():
            end -= 1
        near = text[max(start, end - _LONGEST_TAIL) : end]
        tail = _TAIL.match(near, max(near.rfind("<"), 0)) or _TAIL.search(near)
        if tail is None:
            return end
        end -= len(near) - tail.start()


def line_before(text: str, place: int) -> str:
    """What stands before a place on its line, or the last of it."""
    return _BREAK.split(text[max(0, place - _WINDOW) : place])[-1]


def line_after(text: str, place: int) -> str:
    """What stands behind a place on its line, or the first of it."""
    return _BREAK.split(text[place : place + _WINDOW], maxsplit=1)[0]


def is_format(text: str, opens: Mark, closes: Mark) -> bool:
    """Whether these two, inside a thought, repeat the format: `…write <think>…</think> and then…`."""
    if closes.opens or closes.family != opens.family or closes.end - opens.start > _WINDOW:
        return False
    around = line_before(text, opens.start).strip() and line_after(text, closes.end).strip()
    return bool(around) and "\n" not in text[opens.start : closes.end]


def _marks(text: str) -> Iterator[Mark]:
    for found in MARK.finditer(text):
        name = found.lastgroup or ""
        yield Mark(int(name[1:]), name[0] == "o", *found.span())


def _is_quoted(text: str, mark: Mark) -> bool:
    before, after = text[max(0, mark.start - 1) : mark.start], text[mark.end : mark.end + 1]
    if before and _QUOTES.get(before) == after:
        return True
    line = line_before(text, mark.start)
    return line.count("`") % 2 == 1 and "```" not in line and "`" in line_after(text, mark.end)


def _is_quoted_pair(text: str, opens: Mark, closes: Mark) -> bool:
    """`"<think>…</think>"` on one line."""
    if not opens.opens or closes.opens or opens.start == 0:
        return False
    closing = _QUOTES.get(text[opens.start - 1])
    return closing == text[closes.end : closes.end + 1] and "\n" not in text[opens.start : closes.end]


def _is_mentioned(text: str, mark: Mark) -> bool:
    near = text[max(0, mark.start - 3) : mark.start]
    if _AFTER_MENTION.match(text, mark.end) is not None and _BEFORE_MENTION.search(near) is not None:
        return True
    if text[mark.end : mark.end + 1].strip(" *.)\r\n"):
        return False
    line = line_before(text, mark.start)
    return _OPTION.fullmatch(line) is not None and not line_after(text, mark.end).strip(" *.)")


def _without_examples(text: str, marks: list[Mark]) -> list[Mark]:
    """The marks outside of fenced code that shows a format: as many opens in it as closes, or more."""
    if "```" not in text or not marks:
        return marks
    kept, place = [], 0
    for start, end in _fences(text):
        first = place
        while first < len(marks) and marks[first].start < start:
            first += 1
        last = first
        while last < len(marks) and marks[last].start < end:
            last += 1
        kept += marks[place:first] if _is_example(marks[first:last]) else marks[place:last]
        place = last
    return kept + marks[place:]


def _is_example(marks: Sequence[Mark]) -> bool:
    return bool(marks) and marks[0].opens and 2 * sum(mark.opens for mark in marks) >= len(marks)


def _fences(text: str) -> Iterator[tuple[int, int]]:
    place, opened = 0, -1
    for line in text.splitlines(keepends=True):
        if line.lstrip(" \t>").startswith("```"):
            if opened >= 0:
                yield opened, place
            opened = -1 if opened >= 0 else place
        place += len(line)
