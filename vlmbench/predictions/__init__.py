"""Predictions of any origin, one door: read, recognised, and matched with a benchmark's questions.

    predictions = read(path, samples, card, cards)
    predictions.texts["1000241"]

Tables (jsonl, json, xlsx, tsv, csv), the files of the benchmarks' authors, and the logs of other harnesses.
Every fault of a file is a PredictionsError.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vlmbench.domain import Card, Sample
from vlmbench.predictions.matching import Cards, Predictions, match
from vlmbench.predictions.reading import read_answers

__all__ = ["Predictions", "match", "read", "read_answers"]


def read(
    path: Path, samples: Sequence[Sample], card: Card, cards: Cards, *, allow_missing: bool = False
) -> Predictions:
    """What a file or folder says to these questions, each answer on exactly one row."""
    return match(read_answers(path), samples, card, cards, allow_missing=allow_missing)
