"""Formulas and quantities in one plain form: `$\\frac{1}{2}$` is 1/2, `60^{\\circ}` is 60°."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_SIGNS = {
    "circ": "°",
    "degree": "°",
    "pi": "π",
    "theta": "θ",
    "alpha": "α",
    "beta": "β",
    "sqrt": "√",
    "times": "×",
    "cdot": "·",
    "pm": "±",
    "approx": "≈",
    "infty": "∞",
    "angle": "∠",
}
_COMMAND = re.compile(rf"\\({'|'.join(_SIGNS)})(?![a-z])")
_SPACING = re.compile(r"\\(?:left|right|displaystyle|q?quad)(?![a-z]) ?|\\[,;!: ]")
_ESCAPED = re.compile(r"\\([%$#&])")
_FRACTION = re.compile(r"\\[dt]?frac ?(?:\{([^{}\\]{1,80})\}|(\d)) ?(?:\{([^{}\\]{1,80})\}|(\d))")
_ROOT = re.compile(r"√ ?\{([^{}\\]{1,80})\}")
_CALLED_ROOT = re.compile(r"\\?sqrt\(([^()]{1,80})\)")
_POWER = re.compile(r"\^ ?\{([^{}\\]{1,20})\}")
_DEGREES = re.compile(r" ?\^ ?°| °|(?<=\d) degrees?\b")
_PER_CENT = re.compile(r"(?<=\d) ?per ?cent\b| %")
_SPACES = re.compile(r" {2,}")
_DOLLAR = re.compile(r"(?<![A-Za-z)])\$|\$(?!\w)")
_SIMPLE = re.compile(r"[\w.√°]+")
_DEEPEST = 3
"""Fractions and roots inside one another that are written out."""
_SUPERSCRIPTS = str.maketrans({"²": "^2", "³": "^3"})

_QUANTITY = re.compile(
    r"(?:(?:=|≈|~|about|around|approximately|exactly|rs\.?) ?)?"
    r"([+-]?(?:\d{1,3}(?:,\d{3})+|\d{1,18})?(?:\.\d{1,18})?) ?([%°]|[a-zµμωω/][a-z0-9^/·%°µμ ]{0,15})?"
)
_QUANTITY_STARTS = frozenset("0123456789+-.=~aer")
"""How an ASCII text begins that `_QUANTITY` can match with a number in it."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number and the unit that follows it, `""` without one."""

    value: float
    unit: str


def unformatted(text: str) -> str:
    """Without what only sets a formula; expects the form of `wording.plain`."""
    if "sqrt(" in text:
        text = _CALLED_ROOT.sub(lambda found: "√" + _grouped(found[1]), text)
    if "\\" in text:
        text = _ESCAPED.sub(r"\1", _SPACING.sub(" ", _COMMAND.sub(lambda found: _SIGNS[found[1]], text)))
    if "\\" in text or "{" in text:
        text = _written_out(text)
    if not text.isascii():
        text = _DEGREES.sub("°", text.translate(_SUPERSCRIPTS))
    elif "degree" in text:
        text = _DEGREES.sub("°", text)
    if "%" in text or "cent" in text:
        text = _PER_CENT.sub("%", text)
    if " & " in text:
        text = text.replace(" & ", " and ")
    if "$" in text or "~" in text:
        text = _DOLLAR.sub("", text).replace("$", " ").replace("~", " ")
    return _SPACES.sub(" ", text).strip() if "  " in text else text


def _written_out(text: str) -> str:
    for _ in range(_DEEPEST):
        before = text
        text = _POWER.sub(r"^\1", _ROOT.sub(lambda found: "√" + _grouped(found[1]), text))
        text = _FRACTION.sub(
            lambda found: f"{_grouped(found[1] or found[2])}/{_grouped(found[3] or found[4])}", text
        )
        if text == before:
            break
    return text


def _grouped(part: str) -> str:
    part = part.replace(" ", "")
    return part if _SIMPLE.fullmatch(part) else f"({part})"


def quantity_of(piece: str) -> Quantity | None:
    """The quantity a piece is, in folded case; None for any other text."""
    if not piece or (piece[0] not in _QUANTITY_STARTS and piece.isascii()):  # nearly all texts
        return None
    return _quantity(piece)


@lru_cache(maxsize=8192)
def _quantity(piece: str) -> Quantity | None:
    found = _QUANTITY.fullmatch(piece)
    digits = found[1].replace(",", "") if found is not None else ""
    if found is None or not digits.strip("+-."):
        return None
    return Quantity(float(digits), (found[2] or "").strip())
