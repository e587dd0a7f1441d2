"""Places and bands of a column by paired tests of every model against every other one.

A model's places follow from its own tests: behind the models that are significantly better, before those that
are significantly worse. A band is a stretch of the order by score; it ends before the first model that is
significantly worse than its best one, and that model leads the next band. The tests of one model are adjusted
together by Holm's method.

The tests are of rows or questions; where the column's headline is not their mean, they are of the headline.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vlmbench.domain import Metric, RuleSet
from vlmbench.errors import RunFolderError, UserError
from vlmbench.finished import Questions
from vlmbench.leaderboards.board.entrants import Entrant
from vlmbench.leaderboards.board.scores import Units
from vlmbench.leaderboards.compare.units import draws_of, headline_of, is_near, shares

LEVEL = 0.05
NO_MEAN = "its figure is not a mean of rows, and the data to test it are not here"


@dataclass(frozen=True, slots=True)
class Standing:
    """A model's band and places in one column."""

    band: int
    ranks: tuple[int, int]
    """The first and last place that its tests leave open."""
    leader: str | None
    p: float | None


def bands(values: Mapping[str, float], units: Mapping[str, Units], untested: int = 0) -> dict[str, Standing]:
    """The standing of every model with units; `values` are the figures that order them.

    `untested` is the number of further models, each of which may be better or worse than any.
    """
    order = sorted(units, key=lambda model: (-values[model], model))
    if not order:
        return {}
    # One model alone needs no test, and importing numpy takes a while.
    if len(order) == 1:
        return {order[0]: Standing(1, (1, 1 + untested), None, None)}
    import numpy as np

    from vlmbench.leaderboards.board.pairs import holm_each, pair_tests

    difference, p = pair_tests([units[model] for model in order])
    adjusted = holm_each(p)
    significant = adjusted < LEVEL
    better = (significant & (difference > 0)).sum(axis=1)
    beaten = significant & (difference < 0)
    worse = beaten.sum(axis=1)
    standings: dict[str, Standing] = {}
    leader, band = 0, 1
    for number, model in enumerate(order):
        if beaten[leader, number]:
            leader, band = number, band + 1
        ranks = (int(1 + better[number]), int(len(order) - worse[number]) + untested)
        against = adjusted[leader, number]
        if leader == number:
            standings[model] = Standing(band, ranks, None, None)
        else:
            known = None if np.isnan(against) else float(f"{against:.6g}")
            standings[model] = Standing(band, ranks, order[leader], known)
    return standings


def same_questions(units: Mapping[str, Units]) -> Sequence[str]:
    """The largest set of models with the same units; the others cannot be paired with them."""
    counts: dict[tuple[str, ...], list[str]] = {}
    for model in sorted(units):
        counts.setdefault(units[model].keys, []).append(model)
    return max(counts.values(), key=len, default=[])


def must_be_its_mean(entrant: Entrant, units: Units, rules: RuleSet) -> None:
    """Raise a RunFolderError where a row accuracy is not the mean of the run's rows."""
    mean = _mean_of(units)
    name = entrant.run.results["by_rules"][rules]["headline"]["name"]
    if name == "accuracy" and not is_near(mean, entrant.figure.value):
        raise RunFolderError(
            f"its rows give {mean:.6g}, results.json has {entrant.figure.value:.6g}; "
            "one of them was edited or belongs to another run"
        )


def _mean_of(units: Units) -> float:
    return math.fsum(units.values) / len(units.values)


def tested_units(group: Sequence[Entrant], units: Mapping[str, Units], rules: RuleSet) -> Mapping[str, Units]:
    """The units by folder where their mean is the column's figure; else each draw's share of the headline.

    Empty where the headline is not a mean and cannot be computed here.
    """
    here = [entrant for entrant in group if entrant.folder in units]
    if all(is_near(_mean_of(units[e.folder]), e.figure.value) for e in here):
        return units
    found = _headlines(here, rules)
    if found is None:
        return units if _same_scale(here, units) else {}
    if any(metric.moves is None for metric in found):
        return units  # the headline is a mean in another unit
    draws = draws_of(found)
    keys = tuple(map(str, range(len(draws))))
    return {
        entrant.folder: Units(keys, tuple(shares(metric, draws)), keys, None)
        for entrant, metric in zip(here, found, strict=True)
    }


def _headlines(group: Sequence[Entrant], rules: RuleSet) -> list[Metric] | None:
    """All headlines computed again; None where one differs from that of its run."""
    questions = _questions(group)
    if questions is None:
        return None
    found = [headline_of(entrant.run, rules, questions) for entrant in group]
    metrics = [metric for metric in found if metric is not None and metric.value is not None]
    same = all(is_near(m.value or 0.0, e.figure.value) for m, e in zip(metrics, group, strict=False))
    return metrics if same and len(metrics) == len(group) else None


def _questions(group: Sequence[Entrant]) -> Questions | None:
    """All runs were asked the same questions; the first run that can read them is enough."""
    for entrant in group:
        try:
            questions = entrant.run.questions
        except UserError:
            continue
        if questions.benchmark is not None:
            return questions
    return None


def _same_scale(group: Sequence[Entrant], units: Mapping[str, Units]) -> bool:
    """Whether the figures are the means in another unit, such as points out of a thousand."""
    pairs = [(_mean_of(units[entrant.folder]), entrant.figure.value) for entrant in group]
    one, two = max(pairs)
    return all(is_near(mean * two, value * one) for mean, value in pairs)
