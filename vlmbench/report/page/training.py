"""The curves of a training and the scores of its checkpoints, from its metrics.jsonl.

Each line is an object with `step`: with figures of the training, or with a `benchmark` and its score.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.errors import RunFolderError
from vlmbench.files.json_files import line_object
from vlmbench.plain_text import visible
from vlmbench.report.page.texts import LIMITS

METRICS = "metrics.jsonl"
POINTS = 1_500
"""Points of a curve, about as many as a screen has columns."""
MOST_FIGURES = 40
CLOCKS = ("at", "seconds", "epoch", "rows")
"""Keys that only say when a line was written, or of how much it is; they get no curve."""
COUNTS = ("skipped",)
"""Keys that get a curve once they are not nought."""
FIRST = ("loss", "learning_rate", "lr", "tokens_per_second", "tokens/s", "grad_norm")
"""Curves in this order first; the others follow in the order of the file."""
LONGEST = LIMITS[0]
"""Characters of a line; longer ones are not read."""
MOST_BENCHMARKS = 40
MOST_STEPS = 1_500

Point = tuple[float, float | None]


def is_training(folder: Path) -> bool:
    """Whether this is the folder of a training."""
    return (folder / METRICS).is_file()


def training_figures(folders: Sequence[Path]) -> dict[str, Any]:
    """The data of a page of curves; each folder is one run."""
    return {"kind": "training", "runs": [_training(folder) for folder in folders]}


def _training(folder: Path) -> dict[str, Any]:
    series, unread = read_metrics(folder / METRICS)
    scores = read_scores(folder / METRICS)
    if not (series or scores):
        raise RunFolderError(
            "it has no figures: no line has a number `step` and another number.",
            file=folder / METRICS,
        )
    curves = [
        {
            "name": visible(name, 80),
            "points": thinned(points),
            "last": points[-1][1],
            "gaps": sum(y is None for _, y in points),
        }
        for name, points in series.items()
        if name not in COUNTS or any(y for _, y in points)
    ]
    ends = [points[-1][0] for points in series.values()] + [score["points"][-1][0] for score in scores]
    return {
        "folder": visible(folder.name),
        "curves": curves,
        "scores": scores,
        "steps": max(ends),
        "unread": unread,
    }


def read_metrics(file: Path) -> tuple[dict[str, list[Point]], int]:
    """Each figure's points by name, in order of steps, and the number of unreadable lines.

    A figure that is not finite is None. Of two lines for one step (a resumed training) the later counts.
    """
    found: dict[str, dict[float, float | None]] = {}
    unread = 0
    try:
        with file.open("rb") as lines:
            for line in lines:
                values = _values(line)
                unread += values is None
                for name, value in (values or {}).items():
                    if name != "step" and (name in found or len(found) < MOST_FIGURES):
                        finite = value if math.isfinite(value) else None
                        found.setdefault(name, {})[(values or {})["step"]] = finite
    except OSError as error:
        raise RunFolderError(f"it cannot be read ({error.strerror}).", file=file) from None
    return {name: sorted(found[name].items()) for name in sorted(found, key=_rank)}, unread


def _rank(name: str) -> int:
    head = name.partition(":")[0]
    return FIRST.index(head) if head in FIRST else len(FIRST)


def _values(line: bytes) -> Mapping[str, float] | None:
    if len(line) > LONGEST:
        return None
    if (document := line_object(line)) is None:
        return None
    if is_score(document):
        return {}
    try:
        values = {name: float(v) for name, v in _flat(document) if type(v) in (int, float)}
    except OverflowError:
        return None
    step = values.get("step")
    return values if step is not None and math.isfinite(step) else None


def _flat(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys and values; a figure that is an object by part (a learning rate each) becomes `NAME: PART`."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{name}: {part}", figure) for part, figure in value.items())
        elif name not in CLOCKS:
            yield str(name), value


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """The lowest and highest point of each stretch, so that spikes and gaps remain."""
    if len(points) <= most:
        return list(points)
    kept: list[Point] = [points[0]]
    width = math.ceil(len(points) / (most // 2))
    for start in range(0, len(points), width):
        stretch = points[start : start + width]
        known = [(y, x) for x, y in stretch if y is not None]
        if known:
            kept += sorted({(x, y) for y, x in (min(known), max(known))})
        else:
            kept.append(stretch[0])
    return [*kept, points[-1]] if kept[-1] != points[-1] else kept


def is_score(document: Any) -> bool:
    """Whether a line is a checkpoint's score."""
    return isinstance(document, dict) and isinstance(document.get("benchmark"), str)


def read_scores(file: Path) -> list[dict[str, Any]]:
    """Each benchmark's figure; its points are [step, value, low, high, questions].

    Of two lines for one step the later counts; a line without a score adds no point.
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
            "unit": visible(unit, 20),
            "points": [[step, *points[step]] for step in sorted(points)][-MOST_STEPS:],
        }
        for (benchmark, figure, unit), points in found.items()
    ]


def _scores(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        if len(line) > LONGEST or b'"benchmark"' not in line:
            continue
        document = line_object(line)
        if document is not None and is_score(document):
            yield document


def _point(document: dict[str, Any]) -> tuple[float, list[float | None]] | None:
    """The step, and [value, low, high, questions]."""
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
