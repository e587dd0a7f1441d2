"""What a result counts once: a row, or a question in all rotations of its options, with its score."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlmbench.answers.circular import group_key, score_groups
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import RuleSet, Sample, Score


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredUnit:
    """A question or row with its score."""

    key: str
    value: float
    rows: tuple[str, ...]
    cluster: Hashable
    """Units of one cluster are not independent: rows about one picture."""
    categories: Mapping[str, str] = field(default_factory=dict)


def scored_units(
    scores: Sequence[Score], rules: RuleSet, samples: Sequence[Sample] | None, *, circular: bool
) -> list[ScoredUnit]:
    """Those that have a value, in file order; without categories where the samples are not known."""
    return _questions(scores, rules, samples) if circular else _rows(scores, samples)


def mean_units(draws: Sequence[Sequence[ScoredUnit]]) -> list[ScoredUnit]:
    """Each unit with its mean over all draws; one that has no value in some draw is left out."""
    values = values_by_unit(draws)
    return [
        replace(unit, value=math.fsum(values[unit.key]) / len(draws))
        for unit in draws[0]
        if unit.key in values
    ]


def values_by_unit(draws: Sequence[Sequence[ScoredUnit]]) -> dict[str, list[float]]:
    """What each unit is worth in every draw; one that has no value in some draw is left out."""
    found: dict[str, list[float]] = {}
    for units in draws:
        for unit in units:
            found.setdefault(unit.key, []).append(unit.value)
    return {key: values for key, values in found.items() if len(values) == len(draws)}


def _questions(scores: Sequence[Score], rules: RuleSet, samples: Sequence[Sample] | None) -> list[ScoredUnit]:
    """A unit for each question, counted as for the headline."""
    if samples is None:
        return _questions_by_name(scores, rules)
    groups = score_groups(samples_as_read(samples, rules), scores, rules)
    return [
        ScoredUnit(key=g.group, value=g.value, rows=g.rows, cluster=g.group, categories=g.base.categories)
        for g in groups
        if g.value is not None
    ]


def _questions_by_name(scores: Sequence[Score], rules: RuleSet) -> list[ScoredUnit]:
    """Where the questions cannot be read: right if all rows of a group are. Checked against the headline."""
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(group_key(score.id) if rules == "xtuner" else score.group, []).append(score)
    return [
        ScoredUnit(
            key=key,
            value=float(all(row.value == 1 for row in rows)),
            rows=tuple(row.id for row in rows),
            cluster=key,
        )
        for key, rows in groups.items()
        if all(row.value is not None for row in rows)
    ]


def _rows(scores: Sequence[Score], samples: Sequence[Sample] | None) -> list[ScoredUnit]:
    """A unit for each row; rows about the same pictures are one cluster, as in the benchmarks' intervals."""
    by_id = {sample.id: sample for sample in samples or ()}
    units = []
    for score in scores:
        if score.value is None:
            continue
        sample = by_id.get(score.id)
        units.append(
            ScoredUnit(
                key=score.id,
                value=float(score.value),
                rows=(score.id,),
                cluster=sample.draw if sample else score.group,
                categories=sample.categories if sample else {},
            )
        )
    return units
