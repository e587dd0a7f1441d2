"""What a training's checkpoints were worth: the lines of metrics.jsonl that name a benchmark, by step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vlmbench.files.json_files import line_object
from vlmbench.plain_text import visible
from vlmbench.report.page.texts import LIMITS

MOST_BENCHMARKS = 40
MOST_STEPS = 1_500
_LONGEST = LIMITS[0]
_UNITS = 20


def is_score(document: Any) -> bool:
    """Whether a line is a score, and no figure of the training itself."""
    return isinstance(document, dict) and isinstance(document.get("benchmark"), str)


def read_scores(file: Path) -> list[dict[str, Any]]:
    """Each benchmark's figure with its scores as [step, value, low, high, questions].

    Where a step occurs twice, the later line counts; what was not scored has no point.
    """
    found: dict[tuple[str, str, str], dict[float, list[float | None]]] = {}
    with file.open("rb") as lines:
        for document in _scores(lines):
            if (point := _point(document)) is None:
                continue
            figure, unit = str(document.get("name", "")), str(document.get("unit", "fraction"))
            name = (document["benchmark"], figure, unit)
            if name in found or len(found) < MOST_BENCHMARKS:
                found.setdefault(name, {})[point[0]] = point[1]
    return [
        {
            "name": visible(benchmark, 80),
            "figure": visible(figure, 80),
            "unit": visible(unit, _UNITS),
            "points": [[step, *points[step]] for step in sorted(points)][-MOST_STEPS:],
        }
        for (benchmark, figure, unit), points in found.items()
    ]


def _scores(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if len(line) > _LONGEST or b'"benchmark"' not in line:
            continue
        document = line_object(line)
        if document is not None and is_score(document):
            yield document


def _point(document: dict[str, Any]) -> tuple[float, list[float | None]] | None:
    """The step, and behind it value, interval and number of questions."""
    step, value = _number(document.get("step")), _number(document.get("value"))
    if step is None or value is None:
        return None
    ends = document.get("ci95")
    low, high = map(_number, ends) if isinstance(ends, list) and len(ends) == 2 else (None, None)
    whole = low is not None and high is not None
    return step, [value, low if whole else None, high if whole else None, _number(document.get("n"))]


def _number(value: Any) -> float | None:
    """A finite number."""
    if type(value) not in (int, float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None
