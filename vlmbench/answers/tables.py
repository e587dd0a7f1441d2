"""The result tables of the two toolkits, cell for cell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from vlmbench.domain import Sample

SHORT_NAMES = {
    "coarse_perception": "CP",
    "finegrained_perception (instance-level)": "FP-S",
    "finegrained_perception (cross-instance)": "FP-C",
    "logic_reasoning": "LR",
    "relation_reasoning": "RR",
    "attribute_reasoning": "AR",
}
CCBENCH_NAMES = {
    "sketch_reasoning": "Sketch Reasoning",
    "scenery_building": "Scenery & Building",
    "food_clothes": "Food & Clothes",
    "historical_figure": "Historical Figure",
    "traditional_show": "Traditional Show",
    "calligraphy_painting": "Calligraphy Painting",
    "cultural_relic": "Cultural Relic",
}

Units = Sequence[tuple[Sample, float]]
"""What is counted once (a row, or the base row of a group) and what it is worth."""


def vlmevalkit_records(units: Units) -> list[dict[str, object]]:
    """The lines of that toolkit's `_acc` table: one a split (`none` without that column).

    Columns are Overall, the l2 categories, the categories, each sorted. Where both levels have a
    name in common the second overwrites the first. A split that lacks a group has a blank (None)
    there. Rows whose split is missing make a line that is blank throughout.
    """
    if any(sample.split is not None for sample, _ in units):
        names: list[str | None] = [*sorted({s.split for s, _ in units if s.split is not None})]
        names += [None] if any(s.split is None for s, _ in units) else []
        lines = [(name, [(s, v) for s, v in units if name is not None and s.split == name]) for name in names]
    else:
        lines = [("none", list(units))]
    columns = [(level, name) for level in ("l2-category", "category") for name in _names(units, level)]
    records: list[dict[str, object]] = []
    for split, part in lines:
        record: dict[str, object] = {"split": split, "Overall": _mean([v for _, v in part])}
        for level, name in columns:
            values = [v for s, v in part if s.categories.get(level) == name]
            record[SHORT_NAMES.get(name, name)] = _mean(values)
        records.append(record)
    return records


def xtuner_result(units: Units) -> dict[str, float]:
    """The content of `mmbench_result.json`: the average, then one level of categories only."""
    average = _mean([value for _, value in units])
    result = {"Average": math.nan if average is None else average}
    level = "l2-category" if any("l2-category" in s.categories for s, _ in units) else "category"
    for name in _names(units, level):
        mean = _mean([value for sample, value in units if sample.categories.get(level) == name])
        assert mean is not None  # noqa: S101 - the name comes from a unit
        result[(SHORT_NAMES | CCBENCH_NAMES).get(name, name)] = mean
    return result


def _names(units: Units, level: str) -> list[str]:
    return sorted({s.categories[level] for s, _ in units if level in s.categories})


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
