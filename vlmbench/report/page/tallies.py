"""What was answered, counted: letters against truth, confusion, seconds. One run, one rule set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from vlmbench.domain import Response, Sample, Score
from vlmbench.plain_text import visible

MOST_LABELS = 12
"""More kinds of answers than this make no table that anybody reads."""
BINS = 24


def answered_labels(
    samples: Sequence[Sample], scores: Sequence[Score], responses: Mapping[str, Response]
) -> dict[str, Any] | None:
    """How often each answer was right and how often it was given; None where answers are free text."""
    truths = {s.id: s.references[0] for s in samples if len(s.references) == 1}
    labels = sorted(set(truths.values()))
    # Offered but never right is what bias is about.
    labels = sorted({*labels, *(letter for s in samples if s.id in truths for letter in s.choices)})
    if not 2 <= len(labels) <= MOST_LABELS or len(truths) < len(labels):
        return None
    place = {label.casefold(): number for number, label in enumerate(labels)}
    table = [[0] * (len(labels) + 2) for _ in labels]
    other, none = len(labels), len(labels) + 1
    for score in scores:
        response = responses.get(score.id)
        if score.id not in truths or response is None or response.finish == "error":
            continue
        found = none if score.extracted is None else place.get(score.extracted.casefold(), other)
        table[place[truths[score.id].casefold()]][found] += 1
    return {"labels": [visible(label) for label in labels], "table": table}


def latency(responses: Sequence[Response]) -> dict[str, Any] | None:
    """Seconds an answer: their middle, their tail, and how they spread; None where none were measured."""
    seconds = sorted(s for r in responses if (s := _measured(r.seconds)) is not None)
    if len(seconds) < 2:
        return None
    tokens = [r.new_tokens for r in responses if isinstance(r.new_tokens, int)]
    return {
        "n": len(seconds),
        "median": median(seconds),
        "p95": quantiles(seconds, n=20, method="inclusive")[-1],
        "most": seconds[-1],
        "tokens": median(tokens) if tokens else None,
        "bins": _log_bins(seconds),
    }


def _measured(seconds: Any) -> float | None:
    known = isinstance(seconds, (int, float)) and math.isfinite(seconds) and seconds > 0
    return float(seconds) if known else None


def _log_bins(values: Sequence[float]) -> list[list[float]]:
    """`[from, to, count]`, equally wide on a logarithmic scale."""
    low, high = math.log10(values[0]), math.log10(values[-1])
    if high - low < 0.3:
        low, high = (low + high) / 2 - 0.15, (low + high) / 2 + 0.15
    width = (high - low) / BINS
    counts = Counter(min(BINS - 1, int((math.log10(v) - low) / width)) for v in values)
    return [[10 ** (low + i * width), 10 ** (low + (i + 1) * width), counts[i]] for i in range(BINS)]
