"""Compare runs over the same questions, question by question.

    compare(first, second)      two runs of one benchmark
    with_holm(comparisons)      many comparisons at once, their p-values adjusted

The first run is the baseline: a positive difference means the second is better.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from vlmbench.answers.majority import majority
from vlmbench.answers.units import ScoredUnit
from vlmbench.domain import RuleSet, Sample, Score
from vlmbench.draws import draw_ids
from vlmbench.errors import RunFolderError, UserError
from vlmbench.finished import FinishedRun, Questions
from vlmbench.leaderboards.compare.facts import remarks, why_incomparable
from vlmbench.leaderboards.compare.nouns import (
    ByRow,
    CategoryDifference,
    ComparedRun,
    Comparison,
    Flip,
    FlippedAnswer,
)
from vlmbench.leaderboards.compare.units import (
    difference_of,
    fractions,
    instead,
    tested_of,
    units_of,
)
from vlmbench.stats import clustered_difference, holm


def compare(
    first: FinishedRun,
    second: FinishedRun,
    *,
    rules: RuleSet | None = None,
    common: bool = False,
    names: tuple[str, str] | None = None,
) -> Comparison:
    """Two runs side by side; a RunFolderError names what makes them incomparable.

    With `common`, only rows that have a score in both are compared, and a note gives the number of others.
    `names` are the names shown for the runs, by default their folders.
    """
    if reason := why_incomparable(first, second, rules):
        raise _refused(first, second, reason)
    chosen = rules or first.rules
    if not common:
        _must_be_the_same_rows(first, second)
    only = _common_rows(first, second, chosen) if common else None
    questions, notes = _questions(first, second)
    samples = questions.samples if questions else None
    one, two = ({unit.key: unit for unit in units_of(r, chosen, samples, only)} for r in (first, second))
    keys = [key for key in one if key in two and one[key].rows == two[key].rows]
    if not keys:
        raise _refused(first, second, "no question has a score in both runs")
    pairs = [(one[key], two[key]) for key in keys]
    tested = tested_of(pairs, first, second, chosen, questions, only)
    asked = {score.id for run in (first, second) for score in run.scores[chosen]}
    left_out = len(asked) - len({row for unit, _ in pairs for row in unit.rows})
    called = names or (str(first.folder), str(second.folder))
    flips = flips_of(pairs, first, second, chosen, samples or ())
    return Comparison(
        benchmark=first.benchmark,
        rules=chosen,
        unit="question" if first.circular else "row",
        measure=tested.measure,
        fraction=tested.fraction,
        unit_fraction=fractions(pairs),
        first=_side(first, called[0], chosen, tested.first),
        second=_side(second, called[1], chosen, tested.second),
        difference=tested.difference,
        adjusted_p=tested.difference.p,
        by_row=_by_row(pairs, first, second, chosen) if first.circular or tested.measure else None,
        categories=tuple(_categories(pairs)),
        better=tuple(flip for flip in flips if flip.change > 0),
        worse=tuple(flip for flip in flips if flip.change < 0),
        alike=len(pairs) - len(flips),
        left_out=left_out,
        notes=(
            *_statements(first, second, left_out, common=common),
            *instead(tested, first, second, chosen),
            *notes,
            *remarks(first, second),
        ),
    )


def with_holm(comparisons: Iterable[Comparison], *, base: str | None = None) -> tuple[Comparison, ...]:
    """The same comparisons, their p-values adjusted by Holm's method.

    Comparisons with the run named `base` are one family, those among the other runs another: a gate on the
    baseline must not depend on how many other pairs are shown.
    """
    several = tuple(comparisons)
    adjusted: dict[int, float | None] = {}
    for family in (True, False):
        places = [i for i, c in enumerate(several) if (base is None or c.first.name == base) is family]
        values = holm([several[i].difference.p for i in places])
        adjusted.update(zip(places, values, strict=True))
    return tuple(replace(c, adjusted_p=adjusted[i]) for i, c in enumerate(several))


def regressions(comparisons: Iterable[Comparison], gate: float | None = None) -> tuple[Comparison, ...]:
    """Those whose second run is significantly worse, or worse by more than `gate` points."""
    return tuple(c for c in comparisons if c.verdict == "worse" or _beyond(c, gate))


def points(comparison: Comparison, value: float) -> float:
    """A difference in points: percentage points where values are fractions."""
    return value * 100 if comparison.fraction else value


def _beyond(comparison: Comparison, gate: float | None) -> bool:
    # Rounded as shown: a drop of exactly the gate is not beyond it.
    return gate is not None and round(-points(comparison, comparison.difference.value), 9) > gate


def _refused(first: FinishedRun, second: FinishedRun, reason: str, fix: str | None = None) -> RunFolderError:
    return RunFolderError(f"{first.folder} and {second.folder} cannot be compared: {reason}.", fix=fix)


def _must_be_the_same_rows(first: FinishedRun, second: FinishedRun) -> None:
    """Raise a RunFolderError where a run is incomplete or the rows of the two differ."""
    fix = "Finish the run, or add --common to compare the rows that both have answered."
    for run in (first, second):
        if not run.whole:
            raise _refused(first, second, f"{run.folder} is incomplete ({_state(run)})", fix)
    one, two = ({score.id for score in run.scores["strict"]} for run in (first, second))
    if one != two:
        limits = " and ".join(f"{_limit(run)}{n} rows" for run, n in _sizes(first, second))
        what = f"they were not asked the same rows ({limits}; {len(one & two)} in both)"
        raise _refused(first, second, what, fix)


def _limit(run: FinishedRun) -> str:
    limit = run.results["limit"]
    return "" if limit is None else f"--limit {limit}, "


def _sizes(*runs: FinishedRun) -> list[tuple[FinishedRun, int]]:
    return [(run, run.results["rows"]["asked"]) for run in runs]


def _state(run: FinishedRun) -> str:
    rows = run.results["rows"]
    return f"{rows['answered']} of {rows['asked']} rows answered, {run.results['errors']} errors"


def _common_rows(first: FinishedRun, second: FinishedRun, rules: RuleSet) -> Collection[str]:
    one, two = ({s.id for s in run.scores[rules] if s.value is not None} for run in (first, second))
    return one & two


def _questions(first: FinishedRun, second: FinishedRun) -> tuple[Questions | None, tuple[str, ...]]:
    """The questions from the run that can read most of them; None, and a note, where neither can."""
    found: list[Questions] = []
    problem = ""
    for run in (first, second):
        try:
            found.append(run.questions)
        except UserError as error:
            problem = problem or str(error)
    best = max(found, key=lambda q: (len(q.samples), q.shown, q.images is not None), default=None)
    independent = ("rows that share a picture are treated as independent",) * (not first.circular)
    if best is None:
        return None, (f"without categories and questions: {problem}", *independent)
    return best, () if best.shown else tuple(f"{what}: {best.missing}" for what in independent)


def _statements(first: FinishedRun, second: FinishedRun, left_out: int, *, common: bool) -> Iterable[str]:
    if left_out:
        why = "only rows with a score in both runs are compared" if common else "they have no score"
        yield f"{left_out} rows are left out: {why}"
    if first.results["partial"] or second.results["partial"]:
        yield "partial: only some of the benchmark's questions were asked"
    if first.results["blind"]:
        yield "blind: every picture was grey"


def _side(run: FinishedRun, name: str, rules: RuleSet, value: float) -> ComparedRun:
    headline = run.results["by_rules"][rules]["headline"]
    return ComparedRun(
        model=run.name,
        folder=str(run.folder),
        name=name,
        value=value,
        headline=headline["value"],
        headline_name=headline["name"],
        headline_unit=headline["unit"],
    )


def _by_row(
    pairs: Sequence[tuple[ScoredUnit, ScoredUnit]], first: FinishedRun, second: FinishedRun, rules: RuleSet
) -> ByRow | None:
    """The same comparison row by row; it does not enter the verdict."""
    worth = [{score.id: score.value for score in run.scores[rules]} for run in (first, second)]
    found = [(worth[0][row], worth[1][row], unit.cluster) for unit, _ in pairs for row in unit.rows]
    scored = [(a, b, key) for a, b, key in found if a is not None and b is not None]
    if not scored:
        return None
    one, two = [a for a, _, _ in scored], [b for _, b, _ in scored]
    return ByRow(
        first=math.fsum(one) / len(scored),
        second=math.fsum(two) / len(scored),
        rows=len(scored),
        difference=clustered_difference(one, two, [key for _, _, key in scored]),
    )


def _categories(pairs: Sequence[tuple[ScoredUnit, ScoredUnit]]) -> Iterable[CategoryDifference]:
    levels = dict.fromkeys(level for unit, _ in pairs for level in unit.categories)
    for level in levels:
        parts: dict[str, list[tuple[ScoredUnit, ScoredUnit]]] = {}
        for pair in pairs:
            if name := pair[0].categories.get(level):
                parts.setdefault(name, []).append(pair)
        differences = {name: difference_of(parts[name]) for name in sorted(parts)}
        adjusted = holm([difference.p for difference in differences.values()])
        for (name, difference), p in zip(differences.items(), adjusted, strict=True):
            first, second = (sum(pair[side].value for pair in parts[name]) for side in (0, 1))
            yield CategoryDifference(
                level=level,
                name=name,
                first=first / len(parts[name]),
                second=second / len(parts[name]),
                units=len(parts[name]),
                difference=difference,
                adjusted_p=p,
            )


def flips_of(
    pairs: Sequence[tuple[ScoredUnit, ScoredUnit]],
    first: FinishedRun,
    second: FinishedRun,
    rules: RuleSet,
    samples: Sequence[Sample],
) -> list[Flip]:
    """Every unit whose score changed, the largest change first, then in file order."""
    asked = {sample.id: sample for sample in samples}
    answers = [_answers(run, rules) for run in (first, second)]
    flips = []
    for one, two in pairs:
        if one.value == two.value:
            continue
        row = next((i for i in one.rows if answers[0][i].value != answers[1][i].value), one.rows[0])
        sample = asked.get(row)
        flips.append(
            Flip(
                key=one.key,
                row=row,
                change=two.value - one.value,
                question=sample.question if sample else "",
                choices=sample.choices if sample else {},
                references=sample.references if sample else (),
                pictures=sample.images if sample else (),
                first=answers[0][row],
                second=answers[1][row],
            )
        )
    return sorted(flips, key=lambda flip: -abs(flip.change))


def _answers(run: FinishedRun, rules: RuleSet) -> dict[str, FlippedAnswer]:
    answers, chosen = run.responses, _majorities(run, rules)
    return {
        s.id: FlippedAnswer(
            extracted=s.extracted,
            text=answers[chosen[s.id]].text if chosen[s.id] in answers else "",
            value=s.value,
        )
        for s in run.scores[rules]
    }


def _majorities(run: FinishedRun, rules: RuleSet) -> dict[str, str]:
    """By row, the id of the answer that most draws give."""
    draws: dict[str, list[Score]] = {}
    for scores in run.passes:
        for score in scores[rules]:
            draws.setdefault(score.id, []).append(score)
    return {row: draw_ids(row, run.draws)[majority(found)] for row, found in draws.items()}
