"""One table at the end of a run over several benchmarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SHORTENED = 100
"""Characters of a failure's reason; it stands in full above."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one benchmark."""

    benchmark: str
    document: Mapping[str, Any] | None = None
    """Its results; None when it failed."""
    failure: str = ""


def summary_rows(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """One line a benchmark: its headline, or why there is none."""
    return [_row(outcome) for outcome in outcomes]


def _row(outcome: Outcome) -> dict[str, Any]:
    row = dict.fromkeys(("benchmark", "figure", "score", "95 %", "n", "state"), "")
    row["benchmark"] = outcome.benchmark
    if outcome.document is None:
        return row | {"state": f"failed: {outcome.failure[:SHORTENED]}"}
    document = outcome.document
    headline = document["headline"]
    interval = headline["ci95"]
    return row | {
        "figure": headline["name"],
        "score": _number(headline["value"], headline["unit"]) or _why_none(document),
        "95 %": "–".join(_number(end, headline["unit"]) for end in interval) if interval else "",
        "n": headline["n"],
        "state": _state(document),
    }


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value * 100:.1f} %" if unit == "fraction" else f"{value:.1f}"


def _why_none(document: Mapping[str, Any]) -> str:
    return "withheld" if document["withheld"] else "not scored"


def _state(document: Mapping[str, Any]) -> str:
    marks = [mark for mark in ("partial", "blind") if document[mark]]
    if not document["complete"]:
        left = document["rows"]["asked"] - document["rows"]["answered"]
        marks.append(f"incomplete ({left} without an answer)")
    return ", ".join(marks or ["complete"])
