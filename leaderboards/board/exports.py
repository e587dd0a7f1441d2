"""The board as JSON and CSV, for programs, and as Markdown, for a CI's summary page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from vlmbench.leaderboards.board.build import DECODED
from vlmbench.leaderboards.board.nouns import (
    DATE_UNKNOWN,
    REASONS,
    UNKNOWN,
    Board,
    BoardEntry,
    BoardFigure,
    ColumnResult,
    QuotedTable,
)
from vlmbench.plain_text import markdown

SCHEMA_VERSION = 1
MOST = 1000
"""Most characters of a reason in Markdown."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_HEAD = (
    "status",
    "model",
    "family",
    "billions",
    "benchmark",
    "column",
    "rules",
    "style",
    "judge",
    "decoding",
    "measure",
    "value",
    "unit",
    "low",
    "high",
    "n",
    "band",
    "rank_first",
    "rank_last",
    "p_against_band_leader",
    "folder",
    "source",
    "date",
    "note",
)


def board_document(board: Board) -> dict[str, Any]:
    """Measured, apart, refused and quoted, each in a list of its own."""
    columns = [asdict(column) for column in board.columns]
    return {
        "schema_version": SCHEMA_VERSION,
        "rules": board.rules,
        "columns": columns,
        "measured": [asdict(entry) for entry in board.entries],
        "apart": [{**asdict(apart), "reason": REASONS[apart.why]} for apart in board.apart],
        "refused": [asdict(refused) for refused in board.refused],
        "quoted": [_quoted_table(asdict(table)) for table in board.quoted],
        "reports": dict(board.reports),
    }


def board_json(board: Board) -> str:
    """The document as text; equal boards give equal texts."""
    return json.dumps(board_document(board), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def board_csv(board: Board) -> str:
    """One line a figure; texts that a spreadsheet would compute start with an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _HEAD, lineterminator="\n")
    writer.writeheader()
    for line in board_lines(board):
        writer.writerow({key: _safe(value) for key, value in line.items()})
    return text.getvalue()


def board_lines(board: Board) -> Iterator[dict[str, Any]]:
    """One record a figure: measured, listed apart, quoted."""
    yield from _measured_lines(board)
    yield from _apart_lines(board)
    yield from _quoted_lines(board)


def _quoted_table(table: dict[str, Any]) -> dict[str, Any]:
    for row in table["rows"]:
        row["notes"] = {table["benchmarks"][place]: note for place, note in row["notes"].items()}
    return table


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _numbers(figure: BoardFigure) -> dict[str, Any]:
    low, high = figure.ci95 or ("", "")
    return {"value": figure.value, "unit": figure.unit, "low": low, "high": high, "n": figure.n}


def _measured_lines(board: Board) -> Iterator[dict[str, Any]]:
    for entry in board.entries:
        for column in board.columns:
            if (place := entry.places.get(column.key)) is None:
                continue
            first, last = place.ranks or ("", "")
            yield {
                "status": "measured",
                "model": entry.name,
                "family": entry.family,
                "billions": entry.billions,
                "benchmark": column.benchmark,
                "column": column.key,
                "rules": board.rules,
                "style": column.style,
                "judge": column.judge,
                "decoding": place.way,
                "measure": column.measure,
                **_numbers(place.figure),
                "band": place.band,
                "rank_first": first,
                "rank_last": last,
                "p_against_band_leader": place.p,
                "folder": place.folder,
                "note": place.untested,
            }


def _apart_lines(board: Board) -> Iterator[dict[str, Any]]:
    for apart in board.apart:
        yield {
            "status": "apart",
            "model": apart.model,
            "benchmark": apart.benchmark,
            "rules": board.rules,
            **(_numbers(apart.figure) if apart.figure else {}),
            "folder": apart.folder,
            "note": f"{REASONS[apart.why]} {apart.detail}".strip(),
        }


def _quoted_lines(board: Board) -> Iterator[dict[str, Any]]:
    for table in board.quoted:
        for row in table.rows:
            for place, (benchmark, figure) in enumerate(zip(table.benchmarks, row.figures, strict=True)):
                if figure is not None:
                    yield {
                        "status": "quoted",
                        "model": row.model,
                        "family": row.family,
                        "billions": row.billions,
                        "benchmark": benchmark,
                        "rules": row.rule_sets[place] or UNKNOWN,
                        "decoding": table.decoding[place] or UNKNOWN,
                        "value": figure,
                        "source": table.source,
                        "date": table.date or DATE_UNKNOWN,
                        "note": "; ".join(filter(None, (table.rules, row.notes.get(place)))),
                    }


def board_markdown(board: Board) -> str:
    """Measured models, then runs shown apart, refused folders and quoted tables."""
    lines = ["# Leaderboard", "", *_measured(board)]
    if board.apart:
        lines += ["", "## Shown apart, not ranked", "", *_apart(board)]
    if board.refused:
        lines += ["", "## Refused", ""]
        lines += [f"* {markdown(r.folder)}: {markdown(r.reason, MOST)}" for r in board.refused]
    if board.quoted:
        lines += ["", "## Quoted from others, not measured here"]
        for table in board.quoted:
            lines += ["", *_quoted(table)]
    return "\n".join(lines) + "\n"


def number(figure: BoardFigure) -> str:
    """Percent for fractions, points as they are, with the interval."""
    scaled = f"{figure.value * figure.scale:.1f}"
    if figure.ci95 is None:
        return scaled
    low, high = (f"{end * figure.scale:.1f}" for end in figure.ci95)
    return f"{scaled} ({low}–{high})"


def _measured(board: Board) -> Iterator[str]:
    if not board.entries:
        yield "No run could be ranked."
        return
    yield (
        f"Rules: {board.rules}. In brackets: 95 % intervals; after #: the places that a model's paired tests "
        "against all others leave open."
    )
    yield ""
    yield f"| model | {' | '.join(markdown(column.key) for column in board.columns)} |"
    yield f"|---|{'---:|' * len(board.columns)}"
    for entry in board.entries:
        yield f"| {markdown(entry.name)} | {' | '.join(_cells(board, entry))} |"
    for column in board.columns:
        for note in column.notes:
            text = _ways(board, column.key) if note == DECODED else note
            yield f"\n{markdown(column.key)}: {markdown(text, MOST)}"


def _ways(board: Board, key: str) -> str:
    """The models of a column by their decoding; a table of text has no room for it beside each figure."""
    models: dict[str, list[str]] = {}
    for entry in board.entries:
        if key in entry.places and (way := entry.places[key].way):
            models.setdefault(way, []).append(entry.name)
    ways = [f"{way}: {', '.join(names)}" for way, names in models.items()]
    return f"runs decoded differently share this column. {'. '.join(ways)}."


def _cells(board: Board, entry: BoardEntry) -> Iterator[str]:
    for column in board.columns:
        place = entry.places.get(column.key)
        yield f"{number(place.figure)} {ranks(place)}" if place else "–"


def ranks(place: ColumnResult) -> str:
    """`#1`, `#2–4`; `untested` without a test."""
    if place.ranks is None:
        return "untested"
    first, last = place.ranks
    return f"#{first}" if first == last else f"#{first}–{last}"


def _apart(board: Board) -> Iterator[str]:
    yield "| model | benchmark | score | why | folder |"
    yield "|---|---|---:|---|---|"
    for apart in board.apart:
        why = f"{REASONS[apart.why]}{f' ({markdown(apart.detail)})' if apart.detail else ''}"
        score = number(apart.figure) if apart.figure else "–"
        cells = (markdown(apart.model), markdown(apart.benchmark), score, why, markdown(apart.folder))
        yield f"| {' | '.join(cells)} |"


def _quoted(table: QuotedTable) -> Iterator[str]:
    yield f"### {markdown(table.title)}"
    yield ""
    when = f"{markdown(table.date or DATE_UNKNOWN)} ({markdown(table.dated)})"
    yield f"[Source]({table.source}), {when}. Rules: {markdown(table.rules)}. "
    yield markdown(table.scored, MOST)
    yield ""
    yield f"| model | {' | '.join(markdown(name) for name in table.benchmarks)} |"
    yield f"|---|{'---:|' * len(table.benchmarks)}"
    for row in table.rows:
        cells = [
            f"{markdown(figure) if figure else '–'}{' †' if place in row.notes else ''}"
            for place, figure in enumerate(row.figures)
        ]
        yield f"| {markdown(row.model)} | {' | '.join(cells)} |"
    if any(row.notes for row in table.rows):
        yield ""
        yield "† another source prints another figure:"
        yield ""
    for row in table.rows:
        for place, note in row.notes.items():
            yield f"* {markdown(row.model)}, {markdown(table.benchmarks[place])}: {markdown(note, MOST)}"
