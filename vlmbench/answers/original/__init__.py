"""The rule set `original`: the evaluators that benchmark authors published, faults included.

    rules    MMStar, ScienceQA, SEED-Bench, MME, POPE, GQA, OCRBench, TextVQA: each answer alone, by a rule
    judged   HallusionBench, MathVista, MM-Vet: from stored judgments of GPT-4
    mmmu     MMMU: options by rules and by draws, open answers by everything in them

A benchmark names its evaluator in `original` and names in its card the script and commit that it equals. A
plugin brings its own: any object with `scores` and `metrics`. Where there is none, every row and figure of
this rule set is empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from vlmbench.answers.scores import NO_REFERENCE, NO_RULE, failure_of, score_of
from vlmbench.domain import Benchmark, Metric, Original, Response, RuleSet, Sample, Score

RULES: RuleSet = "original"
NONE_PUBLISHED = NO_RULE["original"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an evaluator makes of one answer."""

    found: str | None
    """The answer it parsed; None where it found none."""
    value: float | None
    reason: str = ""


Reader = Callable[[Sample, str], Verdict]
"""Reads one answer beside its question. A withheld reference equals nothing."""


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


def score_as_read(sample: Sample, verdict: Verdict) -> Score:
    """The score of one answer; no value where the reference is withheld."""
    if not sample.references:
        return score_of(sample, RULES, verdict.found, None, NO_REFERENCE)
    return score_of(sample, RULES, verdict.found, verdict.value, verdict.reason)


def score_each(samples: Sequence[Sample], responses: Sequence[Response], reader: Reader) -> list[Score]:
    """What an evaluator that reads each answer alone gives; failed and missing answers are not scored."""
    return [_score(s, r, reader) for s, r in zip(samples, responses, strict=True)]


def _score(sample: Sample, response: Response, reader: Reader) -> Score:
    failure = failure_of(response)
    if failure is not None:
        return score_of(sample, RULES, None, None, failure)
    return score_as_read(sample, reader(sample, response.text))
