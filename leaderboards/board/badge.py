"""A badge for a README: an SVG, and the JSON that shields.io draws one from."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape, quoteattr

from vlmbench.leaderboards.board.names import shown
from vlmbench.leaderboards.board.nouns import Board

COLOUR = "0b6e99"
NOTHING = "9a9a9a"
_NARROW = frozenset("fijlrt.,:;!|'()[]– 1I")
_WIDE = frozenset("mwMWO%@#")


def badge_words(board: Board) -> tuple[str, str]:
    """Label and message: the first column's best, and how many no test puts behind another."""
    for column in board.columns:
        placed = [(e.name, e.places[column.key]) for e in board.entries if column.key in e.places]
        # What could not be tested may be the best, too.
        best = [(name, place) for name, place in placed if place.ranks is None or place.ranks[0] == 1]
        if not any(place.ranks for _, place in best):
            continue
        name, place = max(best, key=lambda item: item[1].figure.value)
        figure = place.figure
        unit = "%" if figure.unit == "fraction" else ""
        score = f"{figure.value * figure.scale:.1f}{unit and f' {unit}'}"
        shared = f" (tied: {len(best)})" if len(best) > 1 else ""
        return column.key, f"{shown(name)[:40]} {score}{shared}"
    return "leaderboard", "no ranked run"


def shields_json(board: Board) -> str:
    """For https://img.shields.io/endpoint?url=…"""
    label, message = badge_words(board)
    colour = COLOUR if board.entries else NOTHING
    document = {"schemaVersion": 1, "label": label, "message": message, "color": colour}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def badge_svg(board: Board) -> str:
    """The same as a picture that needs no server."""
    label, message = badge_words(board)
    left, right = _width(label) + 14, _width(message) + 14
    colour = COLOUR if board.entries else NOTHING
    title = quoteattr(f"{label}: {message}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f"aria-label={title}>\n"
        f'<clipPath id="r"><rect width="{left + right}" height="20" rx="3"/></clipPath>\n'
        f'<g clip-path="url(#r)"><rect width="{left}" height="20" fill="#3d4451"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="#{colour}"/></g>\n'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14">{escape(label)}</text>'
        f'<text x="{left + right / 2:g}" y="14">{escape(message)}</text></g>\n</svg>\n'
    )


def _width(text: str) -> int:
    """About as wide as 11 px Verdana draws it; no font is at hand to measure by."""
    return round(sum(4 if c in _NARROW else 10 if c in _WIDE or ord(c) > 0x2E7F else 7 for c in text))
