"""Our own way of finding an option: right where the others are wrong, and never guessing.

The first of these that says anything decides:

1. all of the answer is one letter, one option's text, or both
2. statements such as `the answer is …`, and a first or last line that is an answer by itself
3. a refusal
4. one letter, named as an option is (`option B`, `B because …`, `… a cat (B).`)
5. one option's text, in an answer of a few sentences

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
    labelled_texts,
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
_END_MARKS = re.compile(r"(?: ?(?:</s>|</answer>|<eos>|<end_of_turn>|<\|[a-z_]{1,20}\|>))+$")
"""What some models print when they stop; no part of what they say."""
_LABELLED = re.compile(
    r"(?:\b(?i:option|choice|answer) |选项 ?|答案 ?)[\"'(\[*]{0,3}([A-Z])(?![A-Za-z0-9])"
    r"|(?<![A-Za-z0-9])\(([A-Za-z])\)(?= ?[.,;!\n]| ?$)"
    r"|(?<![A-Za-z0-9])\*{1,3}([A-Z])\*{1,3}"
    r"|\b(?:is|be) ([A-Z])(?=\.(?![A-Za-z])|[,;!\n]|$)"
)
_CAPITAL = re.compile(r"(?<![A-Za-z0-9'\-])([A-Z])(?![A-Za-z0-9\-]|'[a-z])")
_WORD_FOLLOWS = re.compile(r" ?[a-z0-9\"]")
_HEADING_LETTER = re.compile(r"[\"'(\[*]{0,3}[A-Z][\"')\]*]{0,3} ?[.):\n]")
_SAYING = re.compile(r"^.{0,200}(?:\b(?:is|be|was|are|were|think|say|see|shows?) |[是为])", re.IGNORECASE)


def find(answer: str, choices: Mapping[str, str]) -> Found:
    """The option an answer names."""
    text = _without_end_marks(plain(answer))
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


def _without_end_marks(text: str) -> str:
    marks = _END_MARKS.search(text, max(0, len(text) - 200)) if text.endswith(">") else None
    return text if marks is None or "<answer>" in text else plain(text[: marks.start()])


def _read(text: str, options: Options) -> Found:
    return (
        read_whole(text, options)
        or read_statements(text, options, _lines(text, options))
        or _read_refusal(text, options)
        or _read_letter(text, options)
        or _read_text(text, options)
        or unnamed("no option named")
    )


def _lines(text: str, options: Options) -> list[Found]:
    """Lines that are answers by themselves, if the first or the last line is one."""
    lines = text.split("\n")
    if len(lines) < 2 or not (read_whole(lines[0], options) or read_whole(lines[-1], options)):
        return []
    near = lines if len(lines) <= 2 * _LINES else lines[:_LINES] + lines[-_LINES:]
    return [found for line in near if (found := read_whole(line, options)) is not None]


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
    letter = first or min(labelled)
    others = (labelled | (_capitals(text, inside=True) & options.letters)) - {letter}
    if others and not (first and _HEADING_LETTER.match(text) and _all_negated(others, text)):
        return TWO_LETTERS
    clash = options.by_text(letter)
    if clash and letter not in clash:
        return unnamed(f"letter {letter}, but also the text of another option")
    if _taken_back(letter, text, options):
        return unnamed(f"option {letter}, but negated")
    texts = [mention.letter for mention in options.mentions(text)]
    if texts and letter not in texts:
        return contradiction(letter, texts[0])
    return named(letter, "only letter named")


def _labelled(text: str, options: Options) -> set[str]:
    """Letters that are named as options are, anywhere in the text."""
    letters = {letter.upper() for groups in _LABELLED.findall(text) for letter in groups if letter}
    letters |= labelled_texts(text, options)
    last = read_whole(sentences(text)[-1], options)
    if last is not None and last.reason == "letter alone" and last.letter is not None:
        letters.add(last.letter)
    return letters & options.letters


def _capitals(text: str, *, inside: bool) -> set[str]:
    """Capitals that stand alone. `I` before a word is none, nor is `A`, unless `inside` a sentence."""
    return {match[1] for match in _CAPITAL.finditer(text) if not _is_word(match, text, inside=inside)}


def _is_word(capital: re.Match[str], text: str, *, inside: bool) -> bool:
    if capital[1] not in "AI" or not _WORD_FOLLOWS.match(text, capital.end()):
        return False
    before = text[max(0, capital.start() - 2) : capital.start()].strip()
    return capital[1] == "I" or not inside or before[-1:] in ("", ".", "!", "?", '"')


def _clauses_with(letter: str, text: str) -> list[str]:
    alone = re.compile(rf"(?<![A-Za-z0-9'\-]){letter}(?![A-Za-z0-9])")
    return [clause for clause in clauses(text) if alone.search(clause)]


def _all_negated(letters: set[str], text: str) -> bool:
    """Whether every letter is named only to be ruled out: `Option A is wrong`."""
    return all(NEGATION.search(clause) for letter in letters for clause in _clauses_with(letter, text))


def _taken_back(letter: str, text: str, options: Options) -> bool:
    """Whether the letter, or its option's text, is negated or only asked about."""
    if any(NEGATION.search(clause) for clause in _clauses_with(letter, text)):
        return True
    own = (clause for clause in clauses(text) if letter in {m.letter for m in options.mentions(clause)})
    if any(NEGATION.search(options.masked(clause)) for clause in own):
        return True
    return any(part.endswith("?") and _clauses_with(letter, part) for part in sentences(text))


def _read_text(text: str, options: Options) -> Found | None:
    """The only option whose text is in a short answer."""
    if len(text) > SHORT:
        return None
    read = [found for part in sentences(text) if (found := _read_sentence(part, options)) is not None]
    if not read:
        return None
    if _capitals(text, inside=False) & options.letters:
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
