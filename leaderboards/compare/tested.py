"""What a verdict is about: the mean of units, or the headline itself where that is no such mean."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from vlmbench.domain import Metric, RuleSet
from vlmbench.finished import FinishedRun, Questions
from vlmbench.leaderboards.compare.headlines import draws_of, headline_of, is_near, shares
from vlmbench.leaderboards.compare.units import Unit, disagree
from vlmbench.stats import Difference, clustered_difference, paired_difference


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """The quantity that the verdict is about, of both runs, and the test of its difference."""

    first: float
    second: float
    difference: Difference
    measure: str | None = None
    fraction: bool = True


def tested_of(
    pairs: Sequence[tuple[Unit, Unit]],
    first: FinishedRun,
    second: FinishedRun,
    rules: RuleSet,
    questions: Questions | None,
    only: Collection[str] | None,
) -> Tested:
    """The headline itself, also where it is no mean of units."""
    one, two = (_headline(run, rules, questions, only) for run in (first, second))
    if one is None or two is None:
        means = [math.fsum(pair[side].value for pair in pairs) / len(pairs) for side in (0, 1)]
        difference = difference_of(pairs)
        return Tested(first=means[0], second=means[1], difference=difference, fraction=fractions(pairs))
    draws = draws_of((one, two))
    return Tested(
        first=one.value or 0.0,
        second=two.value or 0.0,
        difference=clustered_difference(shares(one, draws), shares(two, draws), draws),
        measure=one.name,
        fraction=one.unit == "fraction",
    )


def _headline(
    run: FinishedRun, rules: RuleSet, questions: Questions | None, only: Collection[str] | None
) -> Metric | None:
    """Of a run whose headline is no mean of units, if it can be computed here."""
    if run.circular or questions is None:
        return None
    found = headline_of(run, rules, questions, only)
    if found is None or found.moves is None or found.value is None:
        return None
    told = run.results["by_rules"][rules]["headline"]["value"]
    if only is None and (told is None or not is_near(found.value, told)):
        if questions.images is None:
            return None
        raise disagree(run, f"{found.name} {found.value} of its rows, not {told}")
    return found


def instead(tested: Tested, first: FinishedRun, second: FinishedRun, rules: RuleSet) -> Iterable[str]:
    """Says so where the mean of the rows had to be tested in place of a headline that is none."""
    heads = [run.results["by_rules"][rules]["headline"] for run in (first, second)]
    one, two = (head["value"] for head in heads)
    if tested.measure or first.circular or one is None or two is None:
        return
    # A headline that is the mean in other units is that mean in both runs.
    if not is_near(one * tested.second, two * tested.first) and first.whole and second.whole:
        yield (
            f"tested is the mean of the rows, not {heads[0]['name']}: what moves that is not at hand "
            "(the benchmark's file, or its code)"
        )


def fractions(pairs: Sequence[tuple[Unit, Unit]]) -> bool:
    """Whether all values are shares."""
    return all(0 <= unit.value <= 1 for pair in pairs for unit in pair)


def difference_of(pairs: Sequence[tuple[Unit, Unit]]) -> Difference:
    """Of the means of units."""
    first, second = [a.value for a, _ in pairs], [b.value for _, b in pairs]
    return paired_difference(first, second, [a.cluster for a, _ in pairs])
