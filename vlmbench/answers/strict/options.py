"""The options of one question, prepared for being looked for in answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from vlmbench.answers.strict.formulas import quantity_of, unformatted
from vlmbench.answers.wording import core, fold, is_letter_of_word, plain, without_article

_FUNCTION_WORDS = frozenset(
    {"no", "not", "none", "an", "the", "it", "is", "are", "be", "in", "on", "at", "of", "to", "and", "or"}
    | {"this", "that", "there", "all", "any", "one"}
)
"""Option texts that occur in any sentence; they count only as the whole of an answer or clause."""

_INNER_MARK = re.compile(r"[.!?;:,](?=[ \"')])|\n")
"""A mark that would end a sentence or clause."""
_KEPT = {mark: chr(0xE000 + i) for i, mark in enumerate(".!?;:,\n")}
_MARKS = {kept: mark for mark, kept in _KEPT.items()}
_JOINTS = re.compile(r"(?<=[^\W\d_])-(?=[^\W\d_])|[ ']")
"""What people write or leave out: `pot-bound`, `pot bound`; `350 K`, `350K`; `a, b`, `a,b`; `1940's`."""
_PLACES = re.compile(
    rf"(, ?|(?<=[^\W\d_])[ -](?=[^\W\d_])|[ '{''.join(_KEPT.values())}]"
    r"|(?<=\d)(?=[^\W\d_])|(?<=[^\W\d_])(?=\d))"
)
_DIGIT = re.compile(r"\d")
_MARKED = re.compile(f"[{''.join(_MARKS)}]")
_OPERATORS = "/^√+*×·"
_STEM = re.compile(r"([^=]{1,24}=) ?(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Mention:
    """An option's text inside a longer one."""

    start: int
    end: int
    letter: str


@dataclass(frozen=True, slots=True)
class Options:
    """Letters, and the ways of writing each text from the most exact to the loosest.

    A table holds the letter of a text, or all letters in a row where options share it.
    """

    letters: frozenset[str]
    tables: tuple[dict[str, str], ...]
    values: Mapping[float, str]
    """The letters of options that are quantities in one unit, by their numbers."""
    unit: str
    """The unit of `values`."""
    terms: tuple[tuple[str, str], ...]
    """Folded texts that may be looked for inside a sentence, with their letters."""
    longest: int
    marked: bool
    """Whether any text holds a mark that ends sentences."""

    def by_text(self, piece: str) -> str:
        """The letters of the options whose text `piece` is: usually none or one."""
        forms = _piece_forms(piece)
        for table, form in zip(self.tables, forms, strict=True):
            if form in table:
                return table[form]
        return self.by_value(forms[2])

    def by_value(self, piece: str) -> str:
        """The letters of the options that are the quantity `piece`; a unit may be left out, not changed."""
        quantity = quantity_of(piece) if self.values else None
        if quantity is None or (quantity.unit != self.unit and quantity.unit and self.unit):
            return ""
        return self.values.get(quantity.value, "")

    def mentions(self, text: str) -> Sequence[Mention]:
        """Where options' texts stand as whole words, without those inside a longer option's text."""
        return _mentions(self.terms, text)

    def blanked(self, text: str) -> str:
        """The text without the options' texts, whose words are not the answer's own; as long as before."""
        return self._with_mentions(text, lambda inside: "_" * len(inside))

    def with_whole_texts(self, text: str) -> str:
        """The text with other marks inside the options' texts, where `No. 5` would end a sentence."""
        return self._with_mentions(text, _kept) if self.marked else text

    def _with_mentions(self, text: str, changed: Callable[[str], str]) -> str:
        """The text with every mention changed into something as long."""
        parts, end = [], 0
        for mention in self.mentions(text):
            start = max(mention.start, end)
            parts += [text[end:start], changed(text[start : mention.end])]
            end = max(end, mention.end)
        return "".join(parts) + text[end:]


@lru_cache(maxsize=4096)
def prepare(choices: tuple[tuple[str, str], ...]) -> Options:
    """Options from (letter, text) pairs."""
    letters = [letter for letter, _ in choices]
    forms = list(zip(*(_option_forms(text) for _, text in choices), strict=True)) or [()] * 5
    tables = [_table(forms[0], letters)]
    for before, written in pairwise(forms):  # most options read the same in several forms
        tables.append(tables[-1] if written == before else _table(written, letters))
    rests = _after_stem(tables[2])
    terms = tuple((term, letter) for term, letter in zip(forms[3], letters, strict=True) if _is_term(term))
    values, unit = _quantities(rests or tables[2])
    return Options(
        letters=frozenset(letters),
        tables=(*tables[:4], tables[4] | rests),
        values=values,
        unit=unit,
        terms=terms,
        longest=max((len(text) for _, text in choices), default=0),
        marked=_MARKED.search("".join(term for term, _ in terms)) is not None,
    )


def _table(forms: Sequence[str], letters: Sequence[str]) -> dict[str, str]:
    """The letters of each text that is not empty."""
    table = dict(zip(forms, letters, strict=True))
    if len(table) == len(letters) and "" not in table:
        return table
    table = {}
    for form, letter in zip(forms, letters, strict=True):
        if form:
            table[form] = table.get(form, "") + letter
    return table


def _is_term(text: str) -> bool:
    return (len(text) > 1 or text.isdigit()) and text not in _FUNCTION_WORDS


@lru_cache(maxsize=8192)
def _option_forms(text: str) -> tuple[str, str, str, str, str]:
    """The forms of an option's text, which every rotation of a question has again."""
    return _forms(unformatted(plain(text)))


def _forms(text: str) -> tuple[str, str, str, str, str]:
    """As written; in folded case; without punctuation around it; without an article; without joints."""
    words = text.replace(" ", "")
    if words.isalnum():  # most options, and no marks to take away
        folded = fold(text)
        bare = folded.strip()
        return text, folded, bare, without_article(bare), fold(words)
    text = _kept(text)
    folded = fold(text)
    bare = core(folded)
    return text, folded, bare, without_article(bare), _JOINTS.sub("", bare)


_piece_forms = lru_cache(maxsize=64)(_forms)
"""One answer is read in several ways, which meet the same pieces."""


def _kept(text: str) -> str:
    return _INNER_MARK.sub(lambda mark: _KEPT[mark[0]], text)


def _after_stem(texts: Mapping[str, str]) -> dict[str, str]:
    """`q=0.28`, `q=0.38` as 0.28 and 0.38: what follows a beginning that all share."""
    if not all("=" in text for text in texts):
        return {}
    split = {text: _STEM.fullmatch(text) for text in texts}
    stems = {found[1] if found is not None else "" for found in split.values()}
    if len(split) < 2 or len(stems) != 1 or stems == {""}:
        return {}
    return {_JOINTS.sub("", found[2]): texts[text] for text, found in split.items() if found is not None}


def _quantities(texts: Mapping[str, str]) -> tuple[dict[float, str], str]:
    """Numbers in one unit and the letters they belong to; none where the units differ."""
    if _DIGIT.search("".join(texts)) is None:
        return {}, ""
    read = ((quantity_of(text), letters) for text, letters in texts.items())
    known = [(quantity, letters) for quantity, letters in read if quantity is not None]
    units = {quantity.unit for quantity, _ in known}
    values = {quantity.value: letters for quantity, letters in known}
    if len(known) < 2 or len(units) > 1 or len(values) < len(known):
        return {}, ""
    return values, units.pop()


@lru_cache(maxsize=64)
def _mentions(terms: tuple[tuple[str, str], ...], text: str) -> tuple[Mention, ...]:
    folded = fold(text)
    spans = [
        Mention(start, end, letter) for term, letter in terms for start, end in _occurrences(folded, term)
    ]
    spans.sort(key=lambda m: (m.start, -m.end))
    kept: list[Mention] = []
    for span in spans:
        last = kept[-1] if kept else None
        same = last is not None and (span.start, span.end) == (last.start, last.end)
        if last is None or span.end > last.end or same:
            kept.append(span)
    return tuple(kept)


def _occurrences(folded: str, term: str) -> Iterator[tuple[int, int]]:
    """Where a term stands as whole words, with or without joints."""
    parts = _parts(term)
    if not all(part in folded for part in parts[::2]):  # most terms: a pattern is not worth its making
        return
    literal = len(parts) == 1 or term in folded
    spans = _found(folded, term) if literal else (m.span() for m in _pattern(term).finditer(folded))
    for start, end in spans:
        if _opens(folded, start) and _closes(folded, end):
            yield start, end


def _found(folded: str, term: str) -> Iterator[tuple[int, int]]:
    start = folded.find(term)
    while start >= 0:
        yield start, start + len(term)
        start = folded.find(term, start + 1)


@lru_cache(maxsize=8192)
def _parts(term: str) -> tuple[str, ...]:
    """What stands between the joints of a term, and the joints at odd places."""
    return tuple(_PLACES.split(term))


@lru_cache(maxsize=8192)
def _pattern(term: str) -> re.Pattern[str]:
    """A pattern for a term whose joints may be written in two ways."""
    parts = list(_parts(term))
    for i in range(1, len(parts), 2):
        parts[i] = _joint(parts[i], words=parts[i - 1][-1:].isalpha() and parts[i + 1][:1].isalpha())
    return re.compile("".join(part if i % 2 else re.escape(part) for i, part in enumerate(parts)))


def _joint(written: str, *, words: bool) -> str:
    """A pattern for what stands between two parts of a term, in each way of writing it."""
    if written in _MARKS:
        return f"[{written}{re.escape(_MARKS[written])}]"
    if written in (" ", "-") and words:
        return "[ -][\"']?"
    return {",": ", ?", "'": "'?"}.get(written.strip(), " ?")


def _opens(text: str, start: int) -> bool:
    """Whether a word can begin here: not inside one, not after a hyphen, not behind a decimal point."""
    if start == 0 or not is_letter_of_word(text[start]):
        return start == 0 or text[start] not in "-√" or not is_letter_of_word(text[start - 1])
    before = text[start - 1]
    if text[start].isdigit() and before in _OPERATORS:
        return False
    if text[start].isdigit() and before in ".," and start > 1 and text[start - 2].isdigit():
        return False
    return not is_letter_of_word(before) and before not in "-'_"


def _closes(text: str, end: int) -> bool:
    """Whether a word can end here; a possessive `'s` is no part of it."""
    if end == len(text) or not is_letter_of_word(text[end - 1]):
        return True
    after, beyond = text[end], text[end + 1 : end + 2]
    if text[end - 1].isdigit() and (after == "%" or (after in ".," and beyond.isdigit())):
        return False
    if after in _OPERATORS and (text[end - 1].isdigit() or text[end - 1] == "π"):
        return False
    if after == "'" and beyond == "s" and not is_letter_of_word(text[end + 2 : end + 3] or " "):
        return True
    return not is_letter_of_word(after) and not (after in "-'_" and is_letter_of_word(beyond or " "))
