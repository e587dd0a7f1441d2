"""What replicas tell of their chunks, added up to what one model would have told of the whole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

LEAST = ("token_budget",)
"""Of these the smallest counts; everything else is a count of something."""


def added(tallies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts added up, name by name; what is no number is that of whoever told it first."""
    total: dict[str, Any] = {}
    for tally in tallies:
        for name, value in tally.items():
            total[name] = _both(name, total[name], value) if name in total else value
    return total


def _both(name: str, one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return added((one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return min(one, other) if name in LEAST else one + other
    return one
