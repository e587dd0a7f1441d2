"""The board as JSON and CSV, for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from vlmbench.leaderboards.board.decoding import decoded
from vlmbench.leaderboards.board.nouns import DATE_UNKNOWN, REASONS, UNKNOWN, Board, Figure

SCHEMA_VERSION = 1
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
    """Measured, apart, refused and quoted: four lists that no reader can take for one."""
    columns = [asdict(column) for column in board.columns]
    return {
        "schema_version": SCHEMA_VERSION,
        "rules": board.rules,
        "columns": columns,
        "measured": [asdict(entry) for entry in board.entries],
        "apart": [{**asdict(apart), "reason": REASONS[apart.why]} for apart in board.apart],
        "refused": [asdict(refused) for refused in board.refused],
        "quoted": [_quoted(asdict(table)) for table in board.quoted],
        "reports": dict(board.reports),
    }


def board_json(board: Board) -> str:
    """The document as text, the same for the same board."""
    return json.dumps(board_document(board), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def board_csv(board: Board) -> str:
    """One line a figure; texts that a spreadsheet would compute get an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _HEAD, lineterminator="\n")
    writer.writeheader()
    for line in (*_measured(board), *_apart(board), *_quoted_lines(board)):
        writer.writerow({key: _safe(value) for key, value in line.items()})
    return text.getvalue()


def _quoted(table: dict[str, Any]) -> dict[str, Any]:
    for row in table["rows"]:
        row["notes"] = {table["benchmarks"][place]: note for place, note in row["notes"].items()}
    return table


def _safe(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _numbers(figure: Figure) -> dict[str, Any]:
    low, high = figure.ci95 or ("", "")
    return {"value": figure.value, "unit": figure.unit, "low": low, "high": high, "n": figure.n}


def _measured(board: Board) -> Iterator[dict[str, Any]]:
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
                "decoding": decoded(place.decoding),
                "measure": column.measure,
                **_numbers(place.figure),
                "band": place.band,
                "rank_first": first,
                "rank_last": last,
                "p_against_band_leader": place.p,
                "folder": place.folder,
                "note": place.untested,
            }


def _apart(board: Board) -> Iterator[dict[str, Any]]:
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
