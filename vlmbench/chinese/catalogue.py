"""Templates with their Chinese, found from a message in which the gaps are filled."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_MARK = re.compile(r"\{\{|\}\}|\{(?P<number>\d*)(?P<own>[*~]?)\}|\{(?P<either>[^{}|]*)\|(?P<other>[^{}|]*)\}")
_WORD = re.compile(r"[A-Za-z]{2,}")
_LIST = re.compile(r", (?:or |and )?| or | and ")
_SMALL = frozenset(
    ("in", "of", "and", "with", "at", "to", "on", "by", "for", "from", "is", "are", "as", "or")
)
"""Words that stand in any text: alone they are no sign of a message."""
_SIMPLE = re.compile(r"(?:\S*[^\s,])?|[\d`/(].*", re.DOTALL)
"""What fills the gaps of a template with hardly a word of its own."""
_BRACES = {"{{": "{", "}}": "}"}


def _signs(literal: str) -> int:
    words = sum(word not in _SMALL for word in _WORD.findall(literal))
    return words + literal.count("`") + 2 * literal.count("95 %")


@dataclass(frozen=True)
class MessageTemplate:
    """Literal words with gaps between them, and the Chinese."""

    literals: tuple[str, ...]
    """One more than there are gaps."""
    chinese: str

    @functools.cached_property
    def is_weak(self) -> bool:
        """Whether its words are too few to tell it from other texts."""
        return not _signs(self.literals[0]) and self.signs < 2

    @functools.cached_property
    def signs(self) -> int:
        """How many words, besides small ones, it has."""
        return sum(map(_signs, self.literals))

    @property
    def weight(self) -> int:
        """How many characters it fixes: of several that fit a text, the heaviest is meant."""
        return sum(map(len, self.literals))

    def gaps(self, text: str) -> tuple[str, ...] | None:
        """What fills the gaps in this text, each as short as can be; None where it is another template."""
        first, *middle, last = self.literals
        end = len(text) - len(last)
        if not (text.startswith(first) and text.endswith(last) and len(first) <= end):
            return None
        found, start = [], len(first)
        for literal in middle:
            place = text.find(literal, start, end)
            if place < 0:
                return None
            found.append(text[start:place])
            start = place + len(literal)
        gaps = (*found, text[start:end])
        return None if self.is_weak and not self._are_simple(gaps) else gaps

    def _are_simple(self, gaps: tuple[str, ...]) -> bool:
        before = zip(self.literals, gaps, strict=False)
        return all(literal.endswith(": ") or _SIMPLE.fullmatch(gap) for literal, gap in before)

    def words(self) -> list[str]:
        """Words that stand in every filled text as they are here: no gap touches them."""
        text = "\0".join(self.literals)
        return [w[0] for w in _WORD.finditer(text) if "\0" not in text[max(w.start() - 1, 0) : w.end() + 1]]


@dataclass(frozen=True, slots=True)
class FoundMessage:
    """The Chinese of a message."""

    template: MessageTemplate
    gaps: tuple[str, ...]

    def filled(self, own: Callable[[str], str]) -> str:
        """The Chinese with the gaps filled; `own` translates those that hold words of ours."""
        order = itertools.count()

        def part(mark: re.Match[str]) -> str:
            if mark[0] in _BRACES:
                return _BRACES[mark[0]]
            gap = self.gaps[int(mark["number"]) - 1 if mark["number"] else next(order)]
            return _LIST.sub("、", gap) if mark["own"] == "~" else own(gap) if mark["own"] else gap

        return _MARK.sub(part, self.template.chinese)


class Catalogue:
    """The templates of some folders."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.whole: dict[str, str] = {}
        """Texts without gaps."""
        templates = [t for english, chinese in words.items() for t in self._read(english, chinese)]
        frequent = Counter(word for template in templates for word in set(template.words()))
        self._by_word: defaultdict[str, list[MessageTemplate]] = defaultdict(list)
        for template in templates:
            self._by_word[min(template.words(), key=lambda w: frequent[w], default="")].append(template)

    def _read(self, english: str, chinese: str) -> Iterable[MessageTemplate]:
        for literals in literals_of(english):
            if len(literals) == 1:
                self.whole[literals[0]] = _unescaped(chinese)
            else:
                yield MessageTemplate(literals, chinese)

    def find(self, text: str) -> FoundMessage | None:
        """The template that this text fills, whole; of several the one with most literal characters."""
        if (chinese := self.whole.get(text)) is not None:
            return FoundMessage(MessageTemplate((text,), chinese.replace("{", "{{").replace("}", "}}")), ())
        words = {"", *_WORD.findall(text)}
        near = (template for word in words for template in self._by_word.get(word, ()))
        fitting = [(t.weight, gaps, t) for t in near if (gaps := t.gaps(text)) is not None]
        if not fitting:
            return None
        _, gaps, template = max(fitting, key=lambda one: (one[0], -len(one[1])))
        return FoundMessage(template, gaps)


def literals_of(english: str) -> list[tuple[str, ...]]:
    """The literal parts of a template, once for each choice of its `{a|b}`."""
    parts: list[tuple[str | None, ...]] = []
    start = 0
    for mark in _MARK.finditer(english):
        parts += [(english[start : mark.start()],)]
        start = mark.end()
        if mark[0] in _BRACES:
            parts += [(_BRACES[mark[0]],)]
        else:
            parts += [(None,) if mark["either"] is None else (mark["either"], mark["other"])]
    parts += [(english[start:],)]
    return [_joined(choice) for choice in itertools.product(*parts)]


def _joined(parts: Iterable[str | None]) -> tuple[str, ...]:
    literals = [""]
    for part in parts:
        if part is None:
            literals.append("")
        else:
            literals[-1] += part
    return tuple(literals)


def _unescaped(chinese: str) -> str:
    return chinese.replace("{{", "{").replace("}}", "}")


def words_of(*folders: str) -> dict[str, str]:
    """The templates of these folders with their Chinese; of all folders if none is named."""
    here = Path(__file__).parent
    files = [here / f"{folder}.json" for folder in folders] if folders else sorted(here.glob("*.json"))
    return {key: value for file in files for key, value in json.loads(file.read_text("utf-8")).items()}


@functools.cache
def catalogue(*folders: str) -> Catalogue:
    """The catalogue of these folders; of all folders if none is named."""
    return Catalogue(words_of(*folders))
