"""Our own way of finding an option: right where the others are wrong, and never guessing.

The first of these that says anything decides:

1. all of the answer is one letter, one option's text, or both
2. statements such as `the answer is …`
3. the first and the last line, when they are answers by themselves
4. a refusal
5. one letter, named as an option is (`option B`, `B because …`, `… a cat (B).`)
6. one option's text, in an answer of a few sentences

Whatever names two options, contradicts itself or takes its option back is unparsed. `docs/rules.md`
lists the cases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from vlmbench.answers.claims import (
    TWO_LETTERS,
    TWO_TEXTS,
    contradiction,
    named,
    read_mention,
    read_start,
    read_whole,
    unnamed,
)
from vlmbench.answers.found import Found
from vlmbench.answers.options import Options, prepare
from vlmbench.answers.statements import read_statements
from vlmbench.answers.wording import NEGATION, REFUSAL, clauses, core, plain, sentences

SHORT = 400
"""Characters up to which an option's text inside an answer is taken for the answer."""
_LINES = 200
"""How many lines at each end are read one by one."""
_LONG = 40_000
"""Characters beyond which only the two ends of an answer are read; such answers are loops."""

_REASONING_END = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
_REASONING_START = re.compile(r"<think(?:ing)?>", re.IGNORECASE)
_LABELLED = re.compile(
    r"(?:\b(?i:option|choice|answer) |选项 ?|答案 ?)[\"'(\[*]{0,3}([A-Z])(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])\(([A-Za-z])\)(?= ?[.,;!\n]| ?$)"
    r"|(?<![A-Za-z0-9])\*{1,3}([A-Z])\*{1,3}"
    r"|\b(?i:is|be|it's|that's|think|believe|say|guess|likely|probably|definitely) ([A-Z])(?=[.,;!\n]|$)"
)
_CAPITAL = re.compile(r"(?<![A-Za-z0-9'\-])([A-Z])(?![A-Za-z0-9\-]|'[a-z])")
_WORD_FOLLOWS = re.compile(r" ?[a-z0-9\"]")
_HEADING_LETTER = re.compile(r"[\"'(\[*]{0,3}[A-Z][\"')\]*]{0,3} ?[.):\n]")
_SAYING = re.compile(r"^.{0,200}(?:\b(?:is|be|was|are|were|think|say|see|shows?) |[是为])", re.IGNORECASE)


def find(answer: str, choices: Mapping[str, str]) -> Found:
    """The option an answer names."""
    text = plain(answer)
    if (bare := core(text)) in choices:
        return named(bare, "letter alone")
    if not text:
        return unnamed("empty")
    closed = [match.end() for match in _REASONING_END.finditer(text)]
    if not closed and _REASONING_START.match(text):
        return unnamed("reasoning that never ends")
    text = plain(text[closed[-1] :]) if closed else text
    if len(text) > _LONG:
        text = f"{text[: _LONG // 2]}\n{text[-_LONG // 2 :]}"
    return _read(text, prepare(tuple(choices.items()))) if text else unnamed("nothing after the reasoning")


def _read(text: str, options: Options) -> Found:
    return (
        read_whole(text, options)
        or read_statements(text, options)
        or _read_lines(text, options)
        or _read_refusal(text, options)
        or _read_letter(text, options)
        or _read_text(text, options)
        or unnamed("no option named")
    )


def _read_lines(text: str, options: Options) -> Found | None:
    """The first or last line, if it is an answer and no other line is another one."""
    lines = text.split("\n")
    ends = [found for line in (lines[0], lines[-1]) if (found := read_whole(line, options))]
    if len(lines) < 2 or not ends:
        return None
    near = lines if len(lines) <= 2 * _LINES else lines[:_LINES] + lines[-_LINES:]
    letters = {found.letter for line in near if (found := read_whole(line, options))}
    return ends[0] if len(letters) == 1 else unnamed("two lines that name options")


def _read_refusal(text: str, options: Options) -> Found | None:
    rest = options.masked(text) if len(text) <= SHORT else text
    return unnamed("refusal") if REFUSAL.search(rest) else None


def _read_letter(text: str, options: Options) -> Found | None:
    """The only letter named, if it is named as an option is."""
    start = read_start(text, options)
    if start is not None and start.letter is None:
        return start
    first = start.letter if start is not None else None
    labelled = _labelled(text, options) | ({first} if first else set())
    if not labelled:
        return None
    everywhere = labelled | (_capitals(text) & options.letters)
    letter = first or next(iter(labelled))
    others = everywhere - {letter}
    if others and not (first and _HEADING_LETTER.match(text) and _all_negated(others, text)):
        return TWO_LETTERS
    clash = options.by_text(letter)
    if clash and letter not in clash:
        return unnamed(f"letter {letter}, but also the text of another option")
    if _taken_back(letter, text):
        return unnamed(f"option {letter}, but negated")
    texts = [m.letter for m in options.mentions(text)] if first is None and len(text) <= SHORT else []
    if texts and letter not in texts:
        return contradiction(letter, texts[0])
    return named(letter, "only letter named")


def _labelled(text: str, options: Options) -> set[str]:
    """Letters that are named as options are, anywhere in the text."""
    letters = {letter.upper() for groups in _LABELLED.findall(text) for letter in groups if letter}
    last = read_whole(sentences(text)[-1], options)
    if last is not None and last.reason == "letter alone" and last.letter is not None:
        letters.add(last.letter)
    return letters & options.letters


def _capitals(text: str) -> set[str]:
    """Capitals that stand alone, without `A` and `I` where they are words."""
    return {
        match[1]
        for match in _CAPITAL.finditer(text)
        if match[1] not in "AI" or not _WORD_FOLLOWS.match(text, match.end())
    }


def _clauses_with(letter: str, text: str) -> list[str]:
    alone = re.compile(rf"(?<![A-Za-z0-9'\-]){letter}(?![A-Za-z0-9])")
    return [clause for clause in clauses(text) if alone.search(clause)]


def _all_negated(letters: set[str], text: str) -> bool:
    """Whether every letter is named only to be ruled out: `Option A is wrong`."""
    return all(NEGATION.search(clause) for letter in letters for clause in _clauses_with(letter, text))


def _taken_back(letter: str, text: str) -> bool:
    if any(NEGATION.search(clause) for clause in _clauses_with(letter, text)):
        return True
    return any(part.endswith("?") and _clauses_with(letter, part) for part in sentences(text))


def _read_text(text: str, options: Options) -> Found | None:
    """The only option whose text is in a short answer."""
    if len(text) > SHORT:
        return None
    read = [found for part in sentences(text) if (found := _read_sentence(part, options)) is not None]
    if not read:
        return None
    if _capitals(text) & options.letters:
        return unnamed("a text and a letter, neither as the answer")
    return read[0] if len({found.letter for found in read}) == 1 else TWO_TEXTS


def _read_sentence(sentence: str, options: Options) -> Found | None:
    found = read_mention(sentence, options)
    if found is None:
        # `I think it is No.`: words such as `no` count only when they are all that is said.
        before = _SAYING.match(sentence)
        if before is None or NEGATION.search(before[0]):
            return None
        whole = read_whole(sentence[before.end() :], options)
        found = whole if whole is not None and whole.reason.startswith("text") else None
    if found is not None and sentence.endswith("?"):
        return unnamed("an option in a question")
    return found
