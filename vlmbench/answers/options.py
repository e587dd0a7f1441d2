"""The options of one question, prepared for being looked for in answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from vlmbench.answers.wording import core, is_letter_of_word, plain, without_article

_FUNCTION_WORDS = frozenset(
    {"no", "not", "none", "an", "the", "it", "is", "are", "be", "in", "on", "at", "of", "to", "and", "or"}
    | {"this", "that", "there", "all", "any", "one"}
)
"""Option texts that occur in any sentence; they count only as the whole of an answer or clause."""


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
    terms: tuple[tuple[str, str], ...]
    """Folded texts that may be looked for inside a sentence, with their letters."""
    longest: int

    def by_text(self, piece: str) -> str:
        """The letters of the options whose text `piece` is: usually none or one."""
        for table, form in zip(self.tables, _forms(piece), strict=True):
            if form in table:
                return table[form]
        return ""

    def mentions(self, text: str) -> list[Mention]:
        """Where options' texts stand as whole words, without those inside a longer option's text."""
        folded = text.casefold()
        spans = [
            Mention(start, start + len(term), letter)
            for term, letter in self.terms
            for start in _occurrences(folded, term)
        ]
        spans.sort(key=lambda m: (m.start, -m.end))
        kept: list[Mention] = []
        for span in spans:
            last = kept[-1] if kept else None
            same = last is not None and (span.start, span.end) == (last.start, last.end)
            if last is None or span.end > last.end or same:
                kept.append(span)
        return kept

    def masked(self, text: str) -> str:
        """The folded text without the options' texts, whose words are not the answer's own."""
        folded = text.casefold()
        for mention in reversed(self.mentions(text)):
            folded = f"{folded[: mention.start]}_{folded[mention.end :]}"
        return folded


@lru_cache(maxsize=4096)
def prepare(choices: tuple[tuple[str, str], ...]) -> Options:
    """Options from (letter, text) pairs."""
    tables: tuple[dict[str, str], ...] = ({}, {}, {}, {})
    terms = []
    for letter, text in choices:
        forms = _forms(plain(text))
        for table, form in zip(tables, forms, strict=True):
            if form:
                table[form] = table.get(form, "") + letter
        term = forms[-1]
        if (len(term) > 1 or term.isdigit()) and term not in _FUNCTION_WORDS:
            terms.append((term, letter))
    return Options(
        letters=frozenset(letter for letter, _ in choices),
        tables=tables,
        terms=tuple(terms),
        longest=max((len(text) for _, text in choices), default=0),
    )


def _forms(text: str) -> tuple[str, str, str, str]:
    """As written; in folded case; without punctuation around it; without an article."""
    folded = text.casefold()
    bare = core(folded)
    return text, folded, bare, without_article(bare)


def _occurrences(folded: str, term: str) -> Iterator[int]:
    start = folded.find(term)
    while start >= 0:
        if _opens(folded, start) and _closes(folded, start + len(term)):
            yield start
        start = folded.find(term, start + 1)


def _opens(text: str, start: int) -> bool:
    """Whether a word can begin here: not inside one, not after a hyphen, not behind a decimal point."""
    if start == 0 or not is_letter_of_word(text[start]):
        return start == 0 or text[start] != "-" or not is_letter_of_word(text[start - 1])
    before = text[start - 1]
    if text[start].isdigit() and before in ".," and start > 1 and text[start - 2].isdigit():
        return False
    return not is_letter_of_word(before) and before not in "-'_"


def _closes(text: str, end: int) -> bool:
    """Whether a word can end here."""
    if end == len(text) or not is_letter_of_word(text[end - 1]):
        return True
    after, beyond = text[end], text[end + 1 : end + 2]
    if text[end - 1].isdigit() and (after == "%" or (after in ".," and beyond.isdigit())):
        return False
    return not is_letter_of_word(after) and not (after in "-'_" and is_letter_of_word(beyond or " "))
