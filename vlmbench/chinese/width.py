"""Lines broken where Chinese breaks: between any two characters, each as wide as two Latin ones."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from itertools import pairwise

_WIDE = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uff60"
_ATOM = re.compile(rf"[{_WIDE}]|[^\s{_WIDE}]+|\s+")
_NOT_FIRST = re.compile(r"[，。；：？！、）》」』”’…,.;:?!)\]}]")
_NOT_LAST = re.compile(r".*[（《「『“‘(\[{]$", re.DOTALL)


def width_of(text: str) -> int:
    """Columns of a terminal."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def padded(text: str, width: int) -> str:
    """The text with blanks up to this width."""
    return text + " " * (width - width_of(text))


def filled(text: str, width: int, *, indent: str = "") -> str:
    """One paragraph in lines of at most this width."""
    if text.isascii():
        return textwrap.fill(
            text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
        )
    return "\n".join(f"{indent}{line}" for line in lines_of(text, width - len(indent)))


def lines_of(text: str, width: int) -> list[str]:
    """The text in lines; a word is never broken, and punctuation stays with what it belongs to."""
    lines, line = list[str](), ""
    for piece in _pieces(" ".join(text.split())):
        if line and width_of(line) + width_of(piece.rstrip()) > width:
            lines, line = [*lines, line.rstrip()], piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()] if line else lines


def _pieces(text: str) -> list[str]:
    """What no line may break: words, Chinese characters with their punctuation."""
    atoms = _ATOM.findall(text)
    pieces = atoms[:1]
    for before, atom in pairwise(atoms):
        if _NOT_FIRST.match(atom) or _NOT_LAST.match(before):
            pieces[-1] += atom
        else:
            pieces.append(atom)
    return pieces
