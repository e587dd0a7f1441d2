"""`published` in a results document: which rule sets round to a printed figure, and what decides.

Its schema is `$defs/published` of `results.schema.json`. Texts of models and of files are shortened and made
printable, so the object can be shown as it is.
"""

from __future__ import annotations

from typing import Any

from vlmbench.domain import Benchmark, Run, Score
from vlmbench.plain_text import visible
from vlmbench.report.deciding_rows import DecidingRow, Gap, deciding_rows, gap_of
from vlmbench.report.published_figure import Figure, figures_beside, nearest_two, parse_printed
from vlmbench.report.results import finite

ROUNDING = "half up and half to even both count, at the printed number of decimals"
ANSWER, REFERENCE = 80, 60
"""Most characters of each that are kept."""


def published_document(benchmark: Benchmark, run: Run, text: str) -> dict[str, Any]:
    """Every rule set's figures beside the printed one, the nearest two, and the rows between them."""
    printed = parse_printed(text)
    figures = figures_beside(run.metrics, printed)
    # Of equally near ones that of the headline's rule set comes first: sorting keeps this order.
    pair = nearest_two(sorted(figures, key=lambda figure: figure.rules != run.spec.rules))
    first, second = pair if pair else (None, None)
    gap = None
    if first is not None and first.rounds is None and len(printed.parts) == 1:
        gap = gap_of(benchmark, run, first, printed.parts[0])
    rows = deciding_rows(benchmark, run, first, second) if first and second else []
    return {
        "printed": printed.text,
        "rounding": ROUNDING,
        "figures": [_figure(figure) for figure in figures],
        "matches": [_named(figure) for figure in figures if figure.rounds],
        "nearest": [_named(figure) for figure in (first, second) if figure],
        "rows": [_row(row) for row in rows],
        "gap": _gap(gap) if gap else None,
    }


def _named(figure: Figure) -> dict[str, Any]:
    return {"rules": figure.rules, "name": figure.name}


def _figure(figure: Figure) -> dict[str, Any]:
    return {
        **_named(figure),
        "level": figure.metrics[0].level,
        "shown": finite(figure.shown),
        "rounds": figure.rounds,
        "distance": figure.distance,
    }


def _row(row: DecidingRow) -> dict[str, Any]:
    return {
        "id": visible(row.sample.id),
        "answer": visible(row.answer, ANSWER),
        "reference": visible(" | ".join(row.sample.references), REFERENCE),
        "read": {rules: _reading(score) for rules, score in row.scores.items()},
    }


def _reading(score: Score | None) -> dict[str, Any] | None:
    """What a rule set found, and its worth; None where it does not see the row."""
    if score is None:
        return None
    found = None if score.extracted is None else visible(score.extracted, REFERENCE)
    return {"found": found, "value": finite(score.value), "reason": visible(score.reason)}


def _gap(gap: Gap) -> dict[str, Any]:
    bounds = None if gap.low is None or gap.high is None else [gap.low, gap.high]
    return {
        "units": gap.units,
        "of": gap.of,
        "unparsed": gap.unparsed,
        "unscored": gap.unscored,
        "drawn": gap.drawn,
        "bounds": finite(bounds),
        "closable": gap.closable,
    }
