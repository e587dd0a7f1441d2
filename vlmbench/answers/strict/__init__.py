"""Our own way of finding an option: right where the others are wrong, and never guessing.

The first of these that finds anything decides:

1. all of the answer is one letter, one option's text or value, or both
2. statements such as `the answer is …`, and a first or last line that is an answer by itself
3. a conclusion that names one letter (`So, option B …`)
4. a refusal
5. one letter, named as an option is (`option B`, `B because …`, `… a cat (B).`)
6. one option's text, in an answer of a few sentences
7. what the conclusion, the first or the last sentence claims (`… is a cat.`)

Whatever names two options, contradicts itself or takes its option back is unparsed. `docs/rules.md`
lists the cases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vlmbench.answers.scores import Found
from vlmbench.answers.strict.claims import named, read_whole, unnamed
from vlmbench.answers.strict.formulas import unformatted
from vlmbench.answers.strict.options import Options, prepare
from vlmbench.answers.strict.prose import SHORT, read_conclusion, read_letter, read_likeliest, read_text
from vlmbench.answers.strict.statements import read_statements, states_no_option
from vlmbench.answers.thinking import split, why_no_answer
from vlmbench.answers.wording import REFUSAL, core, plain

_LINES = 200
"""How many lines at each end are read one by one."""
_LONG = 40_000
"""Characters beyond which only the two ends of an answer are read; such answers are loops."""

_END_MARKS = re.compile(r"(?: ?(?:</s>|</answer>|<eos>|<end_of_turn>|<\|[a-z_]{1,20}\|>))+$")
"""What some models print when they stop; no part of the answer."""
_NEXT_TURN = re.compile(r"\n(?:#{1,4} ?)?(?:Question|Q|Human|User|USER|问题)(?: ?\d{1,2})? ?:")
"""Where a model goes on to ask itself the next question."""


def find(answer: str, choices: Mapping[str, str]) -> Found:
    """The option an answer names."""
    written = split(plain(answer))
    text = _without_end_marks(plain(written.answer))
    if (bare := core(text)) in choices:
        return named(bare, "letter alone")
    if not text:
        return unnamed("empty" if written.thought is None else why_no_answer(written.thought))
    text = _this_turn(text)
    if len(text) > _LONG:
        text = f"{text[: _LONG // 2]}\n{text[-_LONG // 2 :]}"
    options = prepare(tuple(choices.items()))
    return _read(options.with_whole_texts(unformatted(text)), options)


def _this_turn(text: str) -> str:
    """Without the next question, unless what stands before only introduces it."""
    turn = _NEXT_TURN.search(text) if "\n" in text else None
    before = text[: turn.start()].rstrip() if turn is not None else ""
    return before if before and not before.endswith(":") else text


def _without_end_marks(text: str) -> str:
    marks = _END_MARKS.search(text, max(0, len(text) - 200)) if text.endswith(">") else None
    return text if marks is None or "<answer>" in text else plain(text[: marks.start()])


def _read(text: str, options: Options) -> Found:
    return (
        read_whole(text, options)
        or read_statements(text, options, _lines(text, options))
        or read_conclusion(text, options)
        or _read_refusal(text, options)
        or read_letter(text, options)
        or (unnamed("the stated answer is not an option") if states_no_option(text) else None)
        or read_text(text, options)
        or unnamed("no option named")
    )


def _lines(text: str, options: Options) -> list[Found]:
    """Lines that are answers by themselves: all if the first or last is one, else a letter on its own."""
    lines = text.split("\n")
    if len(lines) < 2:
        return []
    near = lines if len(lines) <= 2 * _LINES else lines[:_LINES] + lines[-_LINES:]
    read = [found for line in near if (found := read_whole(line, options)) is not None]
    if read_whole(lines[0], options) or read_whole(lines[-1], options):
        return read
    letters = [found for found in read if found.reason == "letter alone"]
    return letters if len({found.letter for found in letters}) == 1 else []


def _read_refusal(text: str, options: Options) -> Found | None:
    if REFUSAL.search(text) is None:
        return None
    rest = options.blanked(text) if len(text) <= SHORT else text
    if REFUSAL.search(rest) is None:
        return None
    return read_likeliest(text, options) or unnamed("refusal")
