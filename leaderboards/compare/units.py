"""What a run's score is a mean of: questions in all their rotations, or rows."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from vlmbench.answers.circular import group_key, score_groups
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import RuleSet, Sample, Score
from vlmbench.errors import RunFolderError
from vlmbench.finished import FinishedRun
from vlmbench.leaderboards.compare.headlines import is_near


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One thing that is right or wrong, or worth something between."""

    key: str
    value: float
    rows: tuple[str, ...]
    cluster: Hashable
    """Units of one cluster share their fate: rows about one picture."""
    categories: Mapping[str, str] = field(default_factory=dict)


def units_of(
    run: FinishedRun, rules: RuleSet, samples: Sequence[Sample] | None, only: Collection[str] | None = None
) -> list[Unit]:
    """The scored units of a run, in file order; of the rows in `only` where that is given."""
    scores = run.scores[rules]
    if len(run.scores["strict"]) != run.results["rows"]["asked"]:
        raise disagree(run, f"{len(run.scores['strict'])} rows, not {run.results['rows']['asked']}")
    kept = [score for score in scores if only is None or score.id in only]
    units = _questions(kept, rules, samples) if run.circular else _rows(kept, samples)
    if only is None:
        _must_give_the_headline(run, rules, units)
    return units


def _questions(scores: Sequence[Score], rules: RuleSet, samples: Sequence[Sample] | None) -> list[Unit]:
    """One unit a question, by the same counting that made the headline."""
    if samples is None:
        return _questions_by_name(scores, rules)
    groups = score_groups(samples_as_read(samples, rules), scores, rules)
    return [
        Unit(key=g.group, value=g.value, rows=g.rows, cluster=g.group, categories=g.base.categories)
        for g in groups
        if g.value is not None
    ]


def _questions_by_name(scores: Sequence[Score], rules: RuleSet) -> list[Unit]:
    """Without the questions: all rows of a name right. Checked against the headline afterwards."""
    groups: dict[str, list[Score]] = {}
    for score in scores:
        groups.setdefault(group_key(score.id) if rules == "xtuner" else score.group, []).append(score)
    return [
        Unit(
            key=key,
            value=float(all(row.value == 1 for row in rows)),
            rows=tuple(row.id for row in rows),
            cluster=key,
        )
        for key, rows in groups.items()
        if all(row.value is not None for row in rows)
    ]


def _rows(scores: Sequence[Score], samples: Sequence[Sample] | None) -> list[Unit]:
    """One unit a row; rows about the same pictures are one cluster, as in the benchmarks' own intervals."""
    by_id = {sample.id: sample for sample in samples or ()}
    units = []
    for score in scores:
        if score.value is None:
            continue
        sample = by_id.get(score.id)
        units.append(
            Unit(
                key=score.id,
                value=float(score.value),
                rows=(score.id,),
                cluster=sample.draw if sample else score.group,
                categories=sample.categories if sample else {},
            )
        )
    return units


def _must_give_the_headline(run: FinishedRun, rules: RuleSet, units: Sequence[Unit]) -> None:
    headline = run.results["by_rules"][rules]["headline"]
    if not run.circular and headline["name"] != "accuracy":
        return  # no mean of rows, or in other units
    mean = sum(unit.value for unit in units) / len(units) if units else None
    told = headline["value"]
    same = mean is None if told is None else mean is not None and is_near(mean, told)
    if not same or (run.circular and len(units) != headline["n"]):
        kind = "questions" if run.circular else "rows"
        raise disagree(run, f"{mean} over {len(units)} {kind}, not {told}")


def disagree(run: FinishedRun, what: str) -> RunFolderError:
    """What its files say does not fit together."""
    return RunFolderError(
        f"scores.jsonl and results.json disagree ({what}); one of them was edited, or is of another run.",
        file=run.folder,
        fix="The same `vlmbench run` writes both again; answers that are there are kept.",
    )
