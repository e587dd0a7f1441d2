"""The board as Markdown, for a CI's summary page."""

from __future__ import annotations

from collections.abc import Iterator

from vlmbench.leaderboards.board.columns import DECODED
from vlmbench.leaderboards.board.decoding import decoded
from vlmbench.leaderboards.board.nouns import DATE_UNKNOWN, REASONS, Board, Entry, Figure, Place, QuotedTable
from vlmbench.plain_text import markdown

MOST = 1000
"""Longest text of a reason."""


def board_markdown(board: Board) -> str:
    """Measured models first; then what stands apart, what was refused, and what is quoted."""
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


def number(figure: Figure) -> str:
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
        f"Rules: {board.rules}. In brackets 95 % intervals; after them the places that a model's paired "
        "tests against all others leave open."
    )
    yield ""
    yield f"| model | {' | '.join(markdown(column.key) for column in board.columns)} |"
    yield f"|---|{'---:|' * len(board.columns)}"
    for entry in board.entries:
        yield f"| {markdown(entry.name)} | {' | '.join(_cells(board, entry))} |"
    for column in board.columns:
        for note in column.notes:
            said = _ways(board, column.key) if note == DECODED else note
            yield f"\n{markdown(column.key)}: {markdown(said, MOST)}"


def _ways(board: Board, key: str) -> str:
    """How the figures of a column came about, and which; a table of text has no room to say it at each."""
    models: dict[str, list[str]] = {}
    for entry in board.entries:
        if key in entry.places and (way := decoded(entry.places[key].decoding)):
            models.setdefault(way, []).append(entry.name)
    ways = [f"{way}: {', '.join(names)}" for way, names in models.items()]
    return f"answers were decoded in different ways. {'. '.join(ways)}."


def _cells(board: Board, entry: Entry) -> Iterator[str]:
    for column in board.columns:
        place = entry.places.get(column.key)
        yield f"{number(place.figure)} {ranks(place)}" if place else "–"


def ranks(place: Place) -> str:
    """`#1`, `#2–4`; `untested` where there was nothing to test by."""
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
