"""What a headline leaves open: the questions without a value, and how far the headline could still move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vlmbench.answers.circular import unscored_groups
from vlmbench.answers.original import figures_under
from vlmbench.answers.scores import NO_RULE, score_of
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.answers.yes_no import OPPOSITE, YES
from vlmbench.domain import Benchmark, Metric, RuleSet, Sample, Score

NOT_ANSWERED = "not answered"


def unscored_of(
    benchmark: Benchmark, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet
) -> dict[str, str]:
    """The questions that have no value under these rules, and why. By group where groups are scored.

    None are named where the benchmark's file withholds every answer, or the rule set has no rule for it.
    """
    if not any(sample.references for sample in samples):
        return {}
    if scores and all(score.reason == NO_RULE.get(rules) for score in scores):
        return {}
    if benchmark.card.circular:
        return unscored_groups(samples_as_read(samples, rules), scores, rules)
    whole = _of_every_row(samples, scores, rules)
    return {score.id: score.reason for score in whole if score.value is None}


def bounds_of(
    benchmark: Benchmark, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet
) -> tuple[float, float] | None:
    """The headline if every row that is unparsed or has no value were wrong, and if every one were right.

    None when no such row is left or there is no headline.
    """
    ends = figures_at_both_ends(benchmark, samples, scores, rules)
    return None if ends is None else _in_order(ends[0][0].value, ends[1][0].value)


def bounds_of_figure(
    ends: tuple[Sequence[Metric], Sequence[Metric]], figure: Metric
) -> tuple[float, float] | None:
    """The same of another figure than the headline, out of `figures_at_both_ends`."""
    low, high = (
        next((m.value for m in table if (m.name, m.split) == (figure.name, figure.split)), None)
        for table in ends
    )
    return _in_order(low, high)


def figures_at_both_ends(
    benchmark: Benchmark, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet
) -> tuple[list[Metric], list[Metric]] | None:
    """All figures with every open row wrong, and with every one right; None where no row is open."""
    # Where the file has no answer, or a broken one, either could be right; a figure that counts by answer
    # needs one to count.
    seen = [
        s if s.references and s.problem is None else replace(s, references=(YES,))
        for s in samples_as_read(samples, rules)
    ]
    whole = _of_every_row(seen, scores, rules)
    if not any(_is_open(score) for score in whole):
        return None
    pairs = list(zip(seen, whole, strict=True))
    worst = [_wrong(sample, score) if _is_open(score) else score for sample, score in pairs]
    best = [_right(sample, score) if _is_open(score) else score for sample, score in pairs]
    return figures_under(benchmark, seen, worst, rules), figures_under(benchmark, seen, best, rules)


def _in_order(one: float | None, other: float | None) -> tuple[float, float] | None:
    return None if one is None or other is None else (min(one, other), max(one, other))


def _of_every_row(samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Score]:
    """One score a sample; rows that the rule set did not see have no value."""
    by_id: Mapping[str, Score] = {score.id: score for score in scores}
    return [by_id.get(s.id) or score_of(s, rules, None, None, NOT_ANSWERED) for s in samples]


def _is_open(score: Score) -> bool:
    """Whether the answer, or what it is worth, is not known."""
    return score.value is None or score.extracted is None


def _wrong(sample: Sample, score: Score) -> Score:
    """An unparsed answer counts as the rule set counts it; one without a value counts as the opposite."""
    if score.value is not None:
        return replace(score, value=0.0)
    reference = next(iter(sample.references), "").strip().capitalize()
    return replace(score, value=0.0, extracted=OPPOSITE.get(reference, ""))


def _right(sample: Sample, score: Score) -> Score:
    return replace(score, value=1.0, extracted=next(iter(sample.references), ""))
