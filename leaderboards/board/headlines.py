"""What a column's tests are of, where it is not ordered by the mean of rows: the headline itself."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vlmbench.domain import Metric, RuleSet
from vlmbench.errors import RunFolderError, UserError
from vlmbench.finished import Questions
from vlmbench.leaderboards.board.entrants import Entrant
from vlmbench.leaderboards.board.scores import Units
from vlmbench.leaderboards.compare.headlines import draws_of, headline_of, is_near, shares

NO_MEAN = "its figure is no mean of rows, and what moves it is not at hand"


def must_be_its_mean(entrant: Entrant, units: Units, rules: RuleSet) -> None:
    """An accuracy of rows is the mean of theirs, or one of the two files is wrong."""
    mean = mean_of(units)
    name = entrant.run.results["by_rules"][rules]["headline"]["name"]
    if name == "accuracy" and not is_near(mean, entrant.figure.value):
        raise RunFolderError(
            f"its rows give {mean:.6g}, results.json says {entrant.figure.value:.6g}; "
            "one of them was edited, or is of another run"
        )


def mean_of(units: Units) -> float:
    """Of all values."""
    return math.fsum(units.values) / len(units.values)


def tested(group: Sequence[Entrant], units: Mapping[str, Units], rules: RuleSet) -> Mapping[str, Units]:
    """The units by folder, where their mean is what the column shows; else shares of its headline.

    None where the headline is no mean and cannot be computed here.
    """
    here = [entrant for entrant in group if entrant.folder in units]
    if all(is_near(mean_of(units[e.folder]), e.figure.value) for e in here):
        return units
    found = _headlines(here, rules)
    if found is None:
        return units if _same_scale(here, units) else {}
    if any(metric.moves is None for metric in found):
        return units  # a mean in other units
    draws = draws_of(found)
    keys = tuple(map(str, range(len(draws))))
    return {
        entrant.folder: Units(keys, tuple(shares(metric, draws)), keys, None)
        for entrant, metric in zip(here, found, strict=True)
    }


def _headlines(group: Sequence[Entrant], rules: RuleSet) -> list[Metric] | None:
    """Everybody's; None if somebody's is not what the run says."""
    questions = _questions(group)
    if questions is None:
        return None
    found = [headline_of(entrant.run, rules, questions) for entrant in group]
    metrics = [metric for metric in found if metric is not None and metric.value is not None]
    same = all(is_near(m.value or 0.0, e.figure.value) for m, e in zip(metrics, group, strict=False))
    return metrics if same and len(metrics) == len(group) else None


def _questions(group: Sequence[Entrant]) -> Questions | None:
    """All were asked the same; the first run that still knows what is enough."""
    for entrant in group:
        try:
            questions = entrant.run.questions
        except UserError:
            continue
        if questions.benchmark is not None:
            return questions
    return None


def _same_scale(group: Sequence[Entrant], units: Mapping[str, Units]) -> bool:
    """Whether the figures are the means in other units, as points out of a thousand are."""
    pairs = [(mean_of(units[entrant.folder]), entrant.figure.value) for entrant in group]
    one, two = max(pairs)
    return all(is_near(mean * two, value * one) for mean, value in pairs)
