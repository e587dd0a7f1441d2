"""The board as one HTML file that asks nobody for anything.

What came from models is data in a script tag that no browser runs; the page's own script draws it as text.
The policy in the head lets that script and style run, by their digests, and nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlmbench.domain import Decoding
from vlmbench.leaderboards.board.columns import DECODED, INDEPENDENT, OTHER_ROWS, UNTESTED
from vlmbench.leaderboards.board.headlines import NO_MEAN
from vlmbench.leaderboards.board.nouns import Board, Figure, Place

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
    UNTESTED: "without_scores",
    OTHER_ROWS: "other_rows",
    NO_MEAN: "no_mean",
    INDEPENDENT: "independent",
    DECODED: "decoded_otherwise",
}
"""Sentences that the page says in its own languages."""


def board_page(board: Board) -> str:
    """The whole file."""
    style = _read("board.css")
    script = f'"use strict";\n(() => {{\n{"".join(map(_read, SCRIPTS))}}})();\n'
    policy = (
        "default-src 'none'; "
        f"script-src '{_digest(script)}'; style-src '{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "style": style,
        "words": _data(json.loads(_read("words.json"))),
        "data": _data(page_data(board)),
        "script": script,
    }
    page = _read("board.html")
    # One pass: what is put in is never looked through for further places.
    for number, (name, text) in enumerate(parts.items()):
        head, mark, tail = page.partition(f"{{{{{name}}}}}")
        if not mark:
            raise ValueError(f"board.html has no place {number} for {name}")
        parts[name] = head + text
        page = tail
    return "".join(parts.values()) + page


def page_data(board: Board) -> dict[str, Any]:
    """What the script draws, as short as 2,600 figures need it."""
    keys = [column.key for column in board.columns]
    every = [place for entry in board.entries for place in entry.places.values()]
    ways = list(dict.fromkeys(place.decoding for place in every if place.decoding))
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
        "ways": [[asdict(setting) for setting in way] for way in ways],
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


def _figure(figure: Figure) -> list[Any]:
    """The page rounds to one digit: of a number cut to two, that would be another one now and then."""
    low, high = figure.ci95 or (None, None)
    ends = [None if end is None else round(end * figure.scale, 6) for end in (low, high)]
    return [round(figure.value * figure.scale, 6), *ends, figure.n]


def _place(
    place: Place | None, ways: Mapping[tuple[Decoding, ...], int], reports: Mapping[str, str]
) -> list[Any] | None:
    if place is None:
        return None
    p = None if place.p is None else float(f"{place.p:.2g}")
    untested = KEYS.get(place.untested or "", place.untested)
    cell = [*_figure(place.figure), place.band, list(place.ranks or ()), place.leader, p, untested]
    cell.append(ways.get(place.decoding))
    return [*cell, reports[place.folder]] if place.folder in reports else cell


def _data(value: Any) -> str:
    """JSON in which nothing can end the tag it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False, sort_keys=True)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _read(name: str) -> str:
    return (FOLDER / name).read_text("utf-8")
