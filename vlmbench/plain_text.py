"""Texts of strangers, made harmless for a terminal, Markdown or XML: what is visible, and not endless."""

from __future__ import annotations

import re

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\ud800-\udfff\ufffe\uffff]"
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_BLANKS = re.compile(r"[\s\u2028\u2029]+")
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$@:=])")


def encodable(text: str) -> str:
    """The whole text with every half of a broken pair, which no encoding holds, as `�`."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def visible(text: str, most: int = 200) -> str:
    """One line: blanks in a row are one, what has no shape or turns the line round is `�`."""
    cut = text[: most * 20]
    line = _BLANKS.sub(" ", _INVISIBLE.sub("\N{REPLACEMENT CHARACTER}", cut)).strip()
    return line if len(line) <= most and len(cut) == len(text) else f"{line[: most - 1]}…"


def markdown(text: str, most: int = 200) -> str:
    """The same as Markdown that shows it and does nothing else; good inside tables too."""
    shown = visible(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", shown)
