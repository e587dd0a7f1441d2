"""What a name says: a model's family and size, a benchmark's suite and languages."""

from __future__ import annotations

import re
import unicodedata
from itertools import dropwhile, takewhile

from vlmbench.plain_text import visible

LONGEST = 80
"""Names are cut after so many characters."""

_FAMILIES = (
    "LLaVA",
    "InternVL",
    "InternLM",
    "Qwen",
    "SmolVLM",
    "MiniCPM",
    "DeepSeek",
    "Phi",
    "Gemma",
    "Llama",
    "Mistral",
    "Gemini",
    "Claude",
    "GPT",
)
_SIZE = re.compile(r"(?<![\d.A-Za-z])(\d{1,4}(?:[._]\d{1,3})?)([bBmM])(?![A-Za-z])")


def shown(name: str) -> str:
    """A stranger's name on one line, not endless."""
    return visible(name, LONGEST) or "�"


def family_of(model: str) -> str:
    """The family whose name stands first in the model's, else its first word."""
    text = model.casefold()
    found = [(text.find(family.casefold()), family) for family in _FAMILIES if family.casefold() in text]
    if found:
        return min(found)[1]
    word = "".join(takewhile(_in_words, dropwhile(lambda c: not c.isalpha(), model)))
    return word or next((c for c in model if c.isdigit() or c == "_"), "?")


def _in_words(character: str) -> bool:
    """Letters of every script, and the marks that some of them carry."""
    return unicodedata.category(character)[0] in "LM"


def billions_in(model: str) -> float | None:
    """Parameters in billions, where the name states them: `7B`, `1_8b`, `500M`."""
    found = _SIZE.search(model)
    if found is None:
        return None
    number = float(found[1].replace("_", "."))
    return number if found[2] in "bB" else number / 1000


def suite_of(benchmark: str) -> tuple[str, str]:
    """The heading a column stands under, and what is left of its name."""
    head, _, rest = benchmark.partition("_")
    return head, rest.replace("_", " ") or head


def languages_of(benchmark: str) -> tuple[str, ...]:
    """The language that a name ends in; English where it says none."""
    words = re.split(r"[ _()-]", benchmark.upper())
    return ("zh",) if "CN" in words or benchmark.startswith("CCBench") else ("en",)
