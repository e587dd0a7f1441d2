"""A comparison for programs: one JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from vlmbench.leaderboards.compare.nouns import Comparison, Refusal

SCHEMA_VERSION = 1


def comparison_document(
    comparisons: Sequence[Comparison],
    refused: Sequence[Refusal],
    regressed: Sequence[Comparison],
    gate: float | None,
) -> dict[str, Any]:
    """Everything that was found, keys in a fixed order."""
    return {
        "schema_version": SCHEMA_VERSION,
        "gate": gate,
        "regressions": len(regressed),
        "comparisons": [
            {**_plain(comparison), "regression": comparison in regressed} for comparison in comparisons
        ],
        "refused": [asdict(refusal) for refusal in refused],
    }


def _plain(comparison: Comparison) -> dict[str, Any]:
    document = {"benchmark": comparison.benchmark, "verdict": comparison.verdict, **asdict(comparison)}
    document["difference"]["significant"] = comparison.verdict != "cannot be told apart"
    return document
