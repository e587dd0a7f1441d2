"""The curves of a training: metrics.jsonl, one object a line with `step` and figures, thinned for drawing.

Scores of its checkpoints stand in the same file and are no curves: see `scores`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.errors import RunFolderError
from vlmbench.files.json_files import line_object
from vlmbench.plain_text import visible
from vlmbench.report.page.scores import is_score, read_scores
from vlmbench.report.page.texts import LIMITS

METRICS = "metrics.jsonl"
POINTS = 1_500
"""More than a screen is wide shows nothing more."""
MOST_FIGURES = 40
CLOCKS = ("at", "seconds", "epoch")
"""When a line was written; a curve of it is a straight line."""
FIRST = ("loss", "learning_rate", "lr", "tokens_per_second", "tokens/s", "grad_norm")
"""What is looked for first; the rest follows as it stands in the file."""
LONGEST = LIMITS[0]

Point = tuple[float, float | None]


def is_training(folder: Path) -> bool:
    """Whether this is the folder of a training."""
    return (folder / METRICS).is_file()


def training_figures(folders: Sequence[Path]) -> dict[str, Any]:
    """The document of a page of curves, one set of lines a folder."""
    return {"kind": "training", "runs": [_training(folder) for folder in folders]}


def _training(folder: Path) -> dict[str, Any]:
    series, unread = read_metrics(folder / METRICS)
    scores = read_scores(folder / METRICS)
    if not (series or scores):
        raise RunFolderError(
            "it holds no figures: no line has a number `step` and another one beside it.",
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
    """Every figure of the training by name, in order of steps, and how many lines could not be read.

    A figure that is not finite is a gap. Where a step occurs twice (a training that was resumed), the
    later line counts.
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
    """Figures by part (a learning rate each) get the part's name added."""
    for name, value in document.items():
        if isinstance(value, dict):
            yield from ((f"{name}: {part}", figure) for part, figure in value.items())
        elif name not in CLOCKS:
            yield str(name), value


def thinned(points: Sequence[Point], most: int = POINTS) -> list[Point]:
    """The lowest and highest point of each stretch, so that no spike is lost; gaps stay."""
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
