"""The rule set `original`: the evaluators that benchmark authors published, faults included.

One module an evaluator. A benchmark names its own in `original` and says in its card which script, at which
commit, it equals. Where there is none, every row and figure of this rule set is empty.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlmbench.answers.scores import NO_RULE, score_of
from vlmbench.domain import Benchmark, Metric, Original, Response, RuleSet, Sample, Score

NONE_PUBLISHED = NO_RULE["original"]


def original_of(benchmark: Benchmark) -> Original | None:
    """The evaluator that the benchmark's authors published."""
    original: Original | None = getattr(benchmark, "original", None)
    return original


def scores_under(
    benchmark: Benchmark, samples: Sequence[Sample], responses: Sequence[Response], rules: RuleSet
) -> list[Score]:
    """One score a sample under any rule set. Samples and responses are in the same order."""
    if rules != "original":
        pairs = zip(samples, responses, strict=True)
        return [benchmark.score(sample, response, rules) for sample, response in pairs]
    original = original_of(benchmark)
    if original is None:
        return [score_of(sample, rules, None, None, NONE_PUBLISHED) for sample in samples]
    return original.scores(samples, responses)


def figures_under(
    benchmark: Benchmark, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet
) -> list[Metric]:
    """The figures of these scores under any rule set, headline first."""
    if rules != "original":
        return benchmark.metrics(samples, scores, rules)
    original = original_of(benchmark)
    if original is None:
        return [Metric(name=NONE_PUBLISHED, split=None, level="overall", value=None, n=0, rows=0)]
    return original.metrics(samples, scores)
