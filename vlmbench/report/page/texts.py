"""Texts on the page: of models and files, cut where they are too long; our own, in English and Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from vlmbench.chinese.catalogue import catalogue, words_of
from vlmbench.decoding import decodings_in, in_chinese, in_english
from vlmbench.plain_text import encodable

LIMITS = (20_000, 5_000, 1_000, 300)
"""Characters shown of each text; the first limit that keeps all texts within `BEARABLE` is taken."""
BEARABLE = 6_000_000
"""Characters of one kind (answers, prompts) that a page of a few tens of megabytes can carry."""

NAME = 1_000
"""Most characters of a category's name; the page draws fewer and shows the whole name on hover."""

Shown = str | list[Any]
"""The text, or `[its beginning, its length]`."""


def limit_for(lengths: Iterable[int]) -> int:
    """How many characters of each text are shown."""
    known = list(lengths)
    fitting = (limit for limit in LIMITS if sum(min(n, limit) for n in known) <= BEARABLE)
    return next(fitting, LIMITS[-1])


def shown(text: str, limit: int) -> Shown:
    """The text as it goes into the page's JSON."""
    return encodable(text) if len(text) <= limit else [encodable(text[:limit]), len(text)]


SENTENCES = words_of("sentences")
"""What benchmarks measure, in the words of their cards, with the Chinese."""
_OF_A_FILE = re.compile(r"what (.+) asks")


def measures_in_both(sentence: str) -> list[str]:
    """What a benchmark measures, in English and Chinese; a plugin's sentence twice, as it is."""
    of_a_file = _OF_A_FILE.fullmatch(sentence)
    other = f"{of_a_file[1]} 中的题目" if of_a_file else SENTENCES.get(sentence, sentence)
    return [sentence, other]


def reasons_in_chinese(reasons: Iterable[str]) -> dict[str, str]:
    """The Chinese of the rule sets' own reasons; texts of servers and plugins are left out."""
    found = ((reason, _phrase(reason, "reasons")) for reason in set(reasons))
    return {reason: chinese for reason, chinese in sorted(found) if chinese != reason}


def note_in_both(note: str) -> list[str]:
    """A note on a comparison, in English and Chinese; the English twice where there is no Chinese."""
    return [note, _phrase(note, "notes")]


def _phrase(text: str, kind: str) -> str:
    """The Chinese of one whole phrase; no gap of it holds a colon, as texts of servers do."""
    found = catalogue(kind).find(text)
    if found is None or not all(re.fullmatch("[^:：]{1,300}", gap) for gap in found.gaps):
        return text
    return found.filled(str)


def decoding_in_both(settings: Any) -> list[str]:
    """How answers were generated, in English and Chinese; two empty texts where run.json does not say."""
    known = decodings_in(settings)
    return [in_english(known), in_chinese(known)]
