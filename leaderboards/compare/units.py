"""What the verdict tests: the mean of a run's scored units, or its headline where that is not their mean.

Units are questions in all their rotations, or rows. Headlines that are not means (F1, MME's points,
HallusionBench's mean of three) are tested by the delta method: their benchmark gives how much each draw, a
picture with its questions, moves them. A draw's share is the headline plus the number of draws times its
move. The shares' mean is the headline; a paired test of two runs' shares is one of their headlines.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.answers.original import figures_under
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.answers.units import ScoredUnit, mean_units, scored_units
from vlmbench.domain import Metric, RuleSet, Sample, Score
from vlmbench.errors import RunFolderError
from vlmbench.finished import FinishedRun, Questions
from vlmbench.stats import Difference, clustered_difference, paired_difference


def units_of(
    run: FinishedRun, rules: RuleSet, samples: Sequence[Sample] | None, only: Collection[str] | None = None
) -> list[ScoredUnit]:
    """The scored units of a run, in file order; only of the rows in `only` where that is given.

    Of several draws, each unit has its mean over them.
    """
    if len(run.scores["strict"]) != run.results["rows"]["asked"]:
        raise disagree(run, f"{len(run.scores['strict'])} rows, not {run.results['rows']['asked']}")
    kept = [[s for s in scores[rules] if only is None or s.id in only] for scores in run.passes]
    units = mean_units([scored_units(scores, rules, samples, circular=run.circular) for scores in kept])
    if only is None:
        _must_give_the_headline(run, rules, units)
    return units


def _must_give_the_headline(run: FinishedRun, rules: RuleSet, units: Sequence[ScoredUnit]) -> None:
    headline = run.results["by_rules"][rules]["headline"]
    if not run.circular and headline["name"] != "accuracy":
        return  # not a mean of rows, or one in another unit
    mean = sum(unit.value for unit in units) / len(units) if units else None
    stored = headline["value"]
    same = mean is None if stored is None else mean is not None and is_near(mean, stored)
    if not same or (run.circular and len(units) != headline["n"]):
        kind = "questions" if run.circular else "rows"
        raise disagree(run, f"{mean} over {len(units)} {kind}, not {stored}")


def disagree(run: FinishedRun, what: str) -> RunFolderError:
    """The error for a run whose files contradict each other."""
    return RunFolderError(
        f"scores.jsonl and results.json disagree ({what}); one of them was edited or belongs to another run.",
        file=run.folder,
        fix="The same `vlmbench run` writes both again; answers that are there are kept.",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tested:
    """The tested quantity of both runs, and the test of its difference."""

    first: float
    second: float
    difference: Difference
    measure: str | None = None
    fraction: bool = True


def tested_of(
    pairs: Sequence[tuple[ScoredUnit, ScoredUnit]],
    first: FinishedRun,
    second: FinishedRun,
    rules: RuleSet,
    questions: Questions | None,
    only: Collection[str] | None,
) -> Tested:
    """The headlines and their test, or the means of units where a headline cannot be computed here."""
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
    """The headline where it is not a mean of units; None where it is or cannot be computed here."""
    if run.circular or questions is None:
        return None
    found = headline_of(run, rules, questions, only)
    if found is None or found.moves is None or found.value is None:
        return None
    stored = run.results["by_rules"][rules]["headline"]["value"]
    if only is None and (stored is None or not is_near(found.value, stored)):
        if questions.images is None:
            return None
        raise disagree(run, f"{found.name} {found.value} of its rows, not {stored}")
    return found


def instead(tested: Tested, first: FinishedRun, second: FinishedRun, rules: RuleSet) -> Iterable[str]:
    """A note where the mean of the rows is tested although the headline is not that mean."""
    heads = [run.results["by_rules"][rules]["headline"] for run in (first, second)]
    one, two = (head["value"] for head in heads)
    if tested.measure or first.circular or one is None or two is None:
        return
    # A headline that is the mean in another unit has the same factor in both runs.
    if not is_near(one * tested.second, two * tested.first) and first.whole and second.whole:
        yield (
            f"the test is of the mean of the rows, not of {heads[0]['name']}: "
            "that test needs the benchmark's file and code"
        )


def fractions(pairs: Sequence[tuple[ScoredUnit, ScoredUnit]]) -> bool:
    """Whether all values lie between 0 and 1."""
    return all(0 <= unit.value <= 1 for pair in pairs for unit in pair)


def difference_of(pairs: Sequence[tuple[ScoredUnit, ScoredUnit]]) -> Difference:
    """The paired test of the means of units."""
    first, second = [a.value for a, _ in pairs], [b.value for _, b in pairs]
    return paired_difference(first, second, [a.cluster for a, _ in pairs])


def headline_of(
    run: FinishedRun, rules: RuleSet, questions: Questions, only: Collection[str] | None = None
) -> Metric | None:
    """The run's headline over the rows in `only`, computed again; None where that is not possible here.

    Of several draws it is the mean of theirs, and so is what each cluster moves it.
    """
    each = [_headline_of(scores[rules], rules, questions, only) for scores in run.passes]
    found = [metric for metric in each if metric is not None and metric.value is not None]
    if len(found) < len(each) or len(each) == 1:
        return each[0] if len(each) == 1 else None
    draws = len(found)
    moves: dict[Hashable, float] = {}
    for metric in found:
        for cluster, move in (metric.moves or {}).items():
            moves[cluster] = moves.get(cluster, 0.0) + move / draws
    value = math.fsum(metric.value or 0.0 for metric in found) / draws
    return replace(found[0], value=value, moves=None if found[0].moves is None else moves)


def _headline_of(
    given: Sequence[Score], rules: RuleSet, questions: Questions, only: Collection[str] | None
) -> Metric | None:
    if questions.benchmark is None:
        return None
    scores = {score.id: score for score in given if only is None or score.id in only}
    samples = [sample for sample in samples_as_read(questions.samples, rules) if sample.id in scores]
    if len(samples) != len(scores):
        return None
    try:
        figures = figures_under(questions.benchmark, samples, [scores[s.id] for s in samples], rules)
    except (LookupError, TypeError, ValueError):
        # The run's own table may lack a column that the benchmark needs.
        if questions.images is not None:
            raise
        return None
    return figures[0]


def draws_of(metrics: Sequence[Metric]) -> list[Hashable]:
    """Every draw that moves one of the metrics, in order."""
    return list(dict.fromkeys(draw for metric in metrics for draw in metric.moves or ()))


def shares(metric: Metric, draws: Sequence[Hashable]) -> list[float]:
    """Each draw's share; that of a draw without a move is the headline."""
    moves: Mapping[Hashable, float] = metric.moves or {}
    return [(metric.value or 0.0) + len(draws) * moves.get(draw, 0.0) for draw in draws]


def is_near(one: float, other: float) -> bool:
    """Whether two figures are equal apart from rounding."""
    return abs(one - other) <= 1e-9 * max(1.0, abs(one), abs(other))
