"""The board as one HTML file (see `vlmbench.html_page`), and as a badge for a README."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from vlmbench.html_page import content_policy, filled, json_for_html, read_script
from vlmbench.leaderboards.board.bands import NO_MEAN
from vlmbench.leaderboards.board.build import ALONE, DECODED, INDEPENDENT, OTHER_ROWS, UNTESTED
from vlmbench.leaderboards.board.names import shown
from vlmbench.leaderboards.board.nouns import Board, BoardFigure, ColumnResult

FOLDER = Path(__file__).parents[1] / "page"
SCRIPTS = (
    "words.js",
    "drawing.js",
    "measured.js",
    "sorting.js",
    "apart.js",
    "quoted.js",
    "filters.js",
    "pointing.js",
    "start.js",
)

KEYS = {
    ALONE: "alone",
    UNTESTED: "without_scores",
    OTHER_ROWS: "other_rows",
    NO_MEAN: "no_mean",
    INDEPENDENT: "independent",
    DECODED: "decoded_otherwise",
}
"""Keys in words.json of the sentences that the page has in both languages."""


COLOUR = "0b6e99"
NOTHING = "9a9a9a"
_NARROW = frozenset("fijlrt.,:;!|'()[]– 1I")
_WIDE = frozenset("mwMWO%@#")


def board_page(board: Board) -> str:
    """The whole page."""
    style = _read("board.css")
    script = read_script(FOLDER, SCRIPTS)
    parts = {
        "policy": content_policy(script, style),
        "style": style,
        "words": json_for_html(json.loads(_read("words.json")), sort_keys=True),
        "data": json_for_html(page_data(board), sort_keys=True),
        "script": script,
    }
    return filled(_read("board.html"), parts)


def page_data(board: Board) -> dict[str, Any]:
    """The data for the script, compact: a board has up to 2,600 figures."""
    keys = [column.key for column in board.columns]
    every = [place for entry in board.entries for place in entry.places.values()]
    ways = {place.way: place.way_in_chinese for place in every if place.way}
    number = {way: at for at, way in enumerate(ways)}
    return {
        "rules": board.rules,
        "columns": [
            {
                "key": c.key,
                "group": c.group,
                "title": c.title,
                "measure": c.measure,
                "style": c.style,
                "languages": list(c.languages),
                "judge": c.judge,
                "notes": [KEYS.get(note, note) for note in c.notes],
                "unit": _unit(board, c.key),
            }
            for c in board.columns
        ],
        "entries": [
            [e.name, e.family, e.billions, [_place(e.places.get(key), number, board.reports) for key in keys]]
            for e in board.entries
        ],
        "ways": [[english, chinese] for english, chinese in ways.items()],
        "runs": len(every),
        "apart": [
            [
                *(a.model, a.benchmark, _figure(a.figure) if a.figure else None),
                *(a.why, list(a.numbers) or a.detail, a.folder, board.reports.get(a.folder)),
            ]
            for a in board.apart
        ],
        "refused": [[r.folder, r.reason] for r in board.refused],
        "quoted": [
            {
                "title": t.title,
                "source": t.source,
                "date": t.date,
                "dated": t.dated,
                "rules": f"{t.rules}. {t.scored}",
                "benchmarks": list(t.benchmarks),
                "languages": [list(spoken) for spoken in t.languages],
                "rows": [
                    [r.model, r.family, r.billions, list(r.figures), {str(k): v for k, v in r.notes.items()}]
                    for r in t.rows
                ],
            }
            for t in board.quoted
        ],
    }


def _unit(board: Board, key: str) -> str:
    return next(e.places[key].figure.unit for e in board.entries if key in e.places)


def _figure(figure: BoardFigure) -> list[Any]:
    """Six digits, as the page rounds to one: rounding twice would now and then give another digit."""
    low, high = figure.ci95 or (None, None)
    ends = [None if end is None else round(end * figure.scale, 6) for end in (low, high)]
    return [round(figure.value * figure.scale, 6), *ends, figure.n]


def _place(
    place: ColumnResult | None, ways: Mapping[str, int], reports: Mapping[str, str]
) -> list[Any] | None:
    if place is None:
        return None
    p = None if place.p is None else float(f"{place.p:.2g}")
    untested = KEYS.get(place.untested or "", place.untested)
    cell = [*_figure(place.figure), place.band, list(place.ranks or ()), place.leader, p, untested]
    cell.append(ways.get(place.way))
    return [*cell, reports[place.folder]] if place.folder in reports else cell


def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")


def badge_words(board: Board) -> tuple[str, str]:
    """Label and message: the best of the first column that was tested, and how many share its place."""
    for column in board.columns:
        placed = [(e.name, e.places[column.key]) for e in board.entries if column.key in e.places]
        # A model that could not be tested may be the best, too.
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
    """The badge as JSON for https://img.shields.io/endpoint?url=…"""
    label, message = badge_words(board)
    colour = COLOUR if board.entries else NOTHING
    document = {"schemaVersion": 1, "label": label, "message": message, "color": colour}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def badge_svg(board: Board) -> str:
    """The badge as an SVG that needs no server."""
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
    """The width in 11 px Verdana, estimated."""
    return round(sum(4 if c in _NARROW else 10 if c in _WIDE or ord(c) > 0x2E7F else 7 for c in text))
