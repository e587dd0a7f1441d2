"""Texts of strangers, made harmless for a terminal, Markdown or XML: what is visible, and not endless."""

from __future__ import annotations

import json
import re
from typing import Any

# What has no shape, or turns the line round: controls, halves of pairs, and what Unicode calls format
# characters or lets a font ignore; signs like the Arabic number sign are format characters too, but are seen.
_SHAPELESS = (
    "\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    "\u202a-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufdd0-\ufdef\ufe00-\ufe0d\ufeff\uffa0\ufff0-\ufffb"
    "\ufffe\uffff\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d159\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
_EMOJI = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u27bf\u2934-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_STYLES, _JOINERS = "\ufe0e\ufe0f", "\u200c\u200d"
_ARABIC = "\u0620-\u064a\u066e-\u06d3\u06fa-\u06ff"
# Letters that never join the next one: what parts the two changes nothing to be seen.
_ENDING = (
    "\u0621-\u0625\u0627\u0629\u062f-\u0632\u0648\u0670-\u0677\u0688-\u0699"
    "\u06c0\u06c3-\u06cb\u06cd\u06cf\u06d2\u06d3"
)
_VIRAMAS = "\u094d\u09cd\u0a4d\u0acd\u0b4d\u0c4d\u0ccd\u0d4d\u0dca"
_INVISIBLE = re.compile(
    f"[{_SHAPELESS}]"
    # Within emoji and words of scripts whose letters join, these change what is seen; elsewhere they hide.
    f"|[{_STYLES}](?<![{_EMOJI}].)(?<![0-9#*].(?=\u20e3))"
    f"|\u200d(?<![{_EMOJI}].)(?<![{_EMOJI}]\ufe0f.)(?<![{_VIRAMAS}].)"
    f"|\u200d(?![{_EMOJI}\u0900-\u0dff])"
    f"|\u200c(?<!(?![{_ENDING}])[{_ARABIC}].)(?<![{_VIRAMAS}].)"
    f"|\u200c(?![{_ARABIC}\u0900-\u0dff])"
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
    if len(line) <= most and len(cut) == len(text):
        return line
    return f"{line[: most - 1].rstrip(_STYLES + _JOINERS)}…"


def markdown(text: str, most: int = 200) -> str:
    """The same as Markdown that shows it and does nothing else; good inside tables too."""
    shown = visible(text, most).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKS.sub(r"\\\1", shown)


_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""What moves the cursor, recolours, rings, turns the direction of what follows, or ends a line where that is
not seen; and halves of pairs, as which the bytes of a file's name come. Not newline and tab."""


def printable(text: str) -> str:
    """The text with control characters spelled out: an escape becomes `\\x1b`."""
    return _CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode("ascii"), text)


def one_line(text: str) -> str:
    """The same on one line: newlines and tabs are spelled out too."""
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


def json_text(document: Any, encoding: str, indent: int | None = None) -> str:
    """The document, by default on one line, as this encoding and a terminal may have it; JSON in any case."""
    ascii_only = not encoding.lower().replace("_", "-").startswith("utf")
    text = json.dumps(document, ensure_ascii=ascii_only, indent=indent, allow_nan=False)
    return _CONTROL.sub(lambda found: f"\\u{ord(found.group()):04x}", text)
