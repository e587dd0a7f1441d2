"""The answers of another file, joined onto the rows of a benchmark whose own file has none.

MMBench's TEST answers were published in the V1.1 files, which number, order and word their questions
differently from V1.0. So nothing is joined by number alone:

    which question     the same pictures and the same words; where the files share no picture, the same
                       words and options, if both files have them once
    which answer       the option of the same text, whatever its letter is in each row
    which rotations    all of a question's or none: its rows have one answer text, at each row's letter

A row's own answer stays. What cannot be joined without a doubt is left out and counted with its reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.answers.circular import group_key
from vlmbench.answers.wording import core, plain
from vlmbench.domain import Joined, Row

NO_PICTURE = "no question about this picture"
NO_QUESTION = "this question is not asked of its picture"
NO_WORDS = "no question with these words and options"
SEVERAL = "several questions read like this one"
DIFFERENT = "several answers to this question"
NO_OPTION = "the answer is not an option of this row"
TWICE = "the answer is the text of two options"
RELATIVE = "the answer speaks of other options, which changed"
NO_ID = "its id is not in the file"
PARTLY = "another row of its question has no answer"

WITHHELD = "?"
"""What MMMU's authors wrote where an answer belongs, before they published them."""

_OTHERS = re.compile(r"\b(?:all|none|both|neither|either) of\b|\bof the above\b|以上")
_LETTERS = re.compile(r"\b[A-Z]\b\s*(?:,|/|&|\band\b|\bor\b|和|与|、|或)\s*\b[A-Z]\b")


@dataclass(frozen=True, slots=True)
class Lookup:
    """The answer that the file has for one row, or why it has none."""

    text: str = ""
    """The text of the right option; the whole cell where the question has no options."""
    letter: str | None = None
    """The letter, where it is known without comparing texts."""
    why_not: str = ""


Find = Callable[[Row], Lookup]


def join_answers(
    rows: Iterable[Row], others: Iterable[Row], *, circular: bool, source: str
) -> tuple[list[Row], Joined]:
    """The rows with the answers that `others`, rows of a file with answers, give to the same questions."""
    rows = list(rows)
    return _join(rows, _Questions(rows, list(others), circular).find, circular, source)


def join_by_id(
    rows: Iterable[Row], answers: Mapping[str, str], *, circular: bool, source: str
) -> tuple[list[Row], Joined]:
    """The rows with the answers that stand under their `id`, or their index where they have none."""

    def find(row: Row) -> Lookup:
        answer = answers.get(row.cells.get("id", row.index))
        if answer is None:
            return Lookup(why_not=NO_ID)
        if not row.choices or answer not in row.choices:
            return Lookup(answer)
        return Lookup(row.choices[answer], answer)

    return _join(list(rows), find, circular, source)


def own_answer(row: Row) -> str | None:
    """The answer that stands in the row itself; a question mark is not an answer."""
    answer = row.cells.get("answer")
    return None if answer == WITHHELD else answer


def _join(rows: Sequence[Row], find: Find, circular: bool, source: str) -> tuple[list[Row], Joined]:
    questions: dict[str, list[Row]] = {}
    for row in rows:
        questions.setdefault(_question(row, circular), []).append(row)
    answers: dict[str, str] = {}
    reasons: Counter[str] = Counter()
    contradicted = 0
    for question in questions.values():
        found = {row.index: find(row) for row in question}
        given, why_not = _settle(question, found)
        answers |= given
        reasons.update(why_not)
        contradicted += sum(_contradicts(row, found[row.index]) for row in question)
    own = {row.index for row in rows if own_answer(row) is not None}
    answered = [all(r.index in answers or r.index in own for r in rows_) for rows_ in questions.values()]
    joined = Joined(
        source=source,
        rows=len(answers),
        of_rows=len(rows),
        questions=sum(answered),
        of_questions=len(questions),
        own=len(own),
        contradicted=contradicted,
        not_joined=dict(reasons.most_common()),
    )
    return [_answered(row, answers.get(row.index)) for row in rows], joined


def _question(row: Row, circular: bool) -> str:
    return row.cells.get("g_index") or group_key(row.index) if circular else row.index


def _answered(row: Row, answer: str | None) -> Row:
    return row if answer is None else replace(row, cells={**row.cells, "answer": answer})


def _settle(question: Sequence[Row], found: Mapping[str, Lookup]) -> tuple[dict[str, str], list[str]]:
    """The answers of a question's rows that have none of their own, all of them or reasons why not."""
    open_rows = [row for row in question if own_answer(row) is None]
    own = {text for row in question if (text := _own_text(row))}
    texts = {_fold(t): t for t in own or {f.text for f in found.values() if not f.why_not}}
    if len(texts) != 1:
        return {}, [found[row.index].why_not or DIFFERENT for row in open_rows]
    text = next(iter(texts.values()))
    given = {row.index: _in_the_words_of(row, text, found[row.index]) for row in open_rows}
    if any(isinstance(answer, Lookup) for answer in given.values()):
        return {}, [answer.why_not if isinstance(answer, Lookup) else PARTLY for answer in given.values()]
    return {index: answer for index, answer in given.items() if isinstance(answer, str)}, []


def _in_the_words_of(row: Row, text: str, found: Lookup) -> str | Lookup:
    """The answer as this row would have it; a `Lookup` with the reason where it cannot."""
    if not row.choices:
        return text
    if found.letter is not None and _fold(found.text) == _fold(text):
        return found.letter
    return _letter(row, text)


def _letter(row: Row, text: str) -> str | Lookup:
    """The letter of the option with this text: to the letter if one is, else with case and marks folded."""
    for same in (str.strip, _fold):
        letters = [letter for letter, option in row.choices.items() if same(option) == same(text)]
        if letters:
            return letters[0] if len(letters) == 1 else Lookup(why_not=TWICE)
    return Lookup(why_not=NO_OPTION)


def _own_text(row: Row) -> str:
    """The text of a row's own answer; empty where it has none, or one that is no option of it."""
    answer = own_answer(row) or ""
    choices = row.choices
    return choices.get(answer, "") if choices else answer


def _contradicts(row: Row, found: Lookup) -> bool:
    answer = own_answer(row)
    if answer is None or found.why_not:
        return False
    theirs = _in_the_words_of(row, found.text, found)
    return isinstance(theirs, str) and theirs != answer


class _Questions:
    """The questions of a file with answers, by their pictures, words and options."""

    def __init__(self, rows: Sequence[Row], others: Sequence[Row], circular: bool) -> None:
        self._circular = circular
        self._others = [row for row in others if _own_text(row)]
        self._by_index = {row.index: row for row in others} if _same_numbering(rows, others) else {}
        shown = {row.images for row in self._others if row.images}
        self._pictures = shown if any(row.images in shown for row in rows) else set()
        self._by_picture: dict[tuple[str, ...], dict[str, list[Row]]] = {}
        self._by_words: dict[object, list[Row]] = {}
        for row in self._others:
            self._by_picture.setdefault(row.images, {}).setdefault(_words(row), []).append(row)
            self._by_words.setdefault(_words_and_options(row), []).append(row)
        self._asked: dict[object, set[str]] = {}
        for row in rows:
            self._asked.setdefault(_words_and_options(row), set()).add(_question(row, circular))

    def find(self, row: Row) -> Lookup:
        """The answer to the same question, or why there is none."""
        if row.images and self._pictures:
            asked = self._by_picture.get(row.images)
            if asked is None:
                return Lookup(why_not=NO_PICTURE)
            same = asked.get(_words(row), [])
            return self._agreed(row, same) if same else Lookup(why_not=NO_QUESTION)
        key = _words_and_options(row)
        same = self._by_words.get(key, [])
        if not same:
            return Lookup(why_not=NO_WORDS)
        numbered = self._by_index.get(row.index)
        if any(other is numbered for other in same):
            same = [other for other in same if other is numbered]
            return self._agreed(row, same)
        if len(self._asked[key]) > 1 or len({_question(s, self._circular) for s in same}) > 1:
            return Lookup(why_not=SEVERAL)
        return self._agreed(row, same)

    def _agreed(self, row: Row, same: Sequence[Row]) -> Lookup:
        """The one answer of these rows, of those nearest to ours where they differ."""
        nearer: tuple[Callable[[Row], bool], ...] = (
            lambda other: self._by_index.get(row.index) is other,
            lambda other: _options(other) == _options(row),
            lambda other: _fold(other.cells.get("hint", "")) == _fold(row.cells.get("hint", "")),
        )
        for near in nearer:
            same = [other for other in same if near(other)] or same
        texts = {_fold(_own_text(other)) for other in same}
        if len(texts) > 1:
            return Lookup(why_not=DIFFERENT)
        return _read(row, same)


def _read(row: Row, same: Sequence[Row]) -> Lookup:
    text = _own_text(same[0])
    letters = {own_answer(other) for other in same if other.choices == row.choices}
    if _LETTERS.search(text) and not letters:
        return Lookup(why_not=RELATIVE)
    if _OTHERS.search(text.casefold()) and all(_options(other) != _options(row) for other in same):
        return Lookup(why_not=RELATIVE)
    return Lookup(text, letters.pop() if len(letters) == 1 else None)


def _same_numbering(rows: Sequence[Row], others: Sequence[Row]) -> bool:
    """Whether an index means the same question in both files: nine of ten that both have read the same."""
    theirs = {row.index: row for row in others}
    both = [(row, theirs[row.index]) for row in rows if row.index in theirs]
    same = [_words(row) == _words(other) and row.choices == other.choices for row, other in both]
    return sum(same) >= 0.9 * len(same)


def _words(row: Row) -> str:
    return core(_fold(row.cells.get("question", "")))


def _options(row: Row) -> tuple[str, ...]:
    return tuple(sorted(map(_fold, row.choices.values())))


def _words_and_options(row: Row) -> object:
    return _words(row), _options(row)


def _fold(text: str) -> str:
    """Without regard to case, blanks, typographic marks and a full stop at the end."""
    folded = " ".join(plain(text).casefold().split())
    return folded.removesuffix(".") or folded
