"""From answers to figures, under every rule set. Needs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlmbench.answers.views import answers_as_read, samples_as_read
from vlmbench.domain import RULE_SETS, Benchmark, Metric, Response, RuleSet, Sample, Score

Scores = dict[RuleSet, tuple[Score, ...]]
Metrics = dict[RuleSet, tuple[Metric, ...]]


def score_under_all(
    benchmark: Benchmark, samples: Sequence[Sample], responses: Mapping[str, Response]
) -> tuple[Scores, Metrics]:
    """Scores and figures by rule set. Every rule set reads the files as its own toolkit would."""
    scores: Scores = {}
    metrics: Metrics = {}
    for rules in RULE_SETS:
        seen = samples_as_read(samples, rules)
        scores[rules] = tuple(score_rows(benchmark, seen, responses, rules))
        metrics[rules] = tuple(benchmark.metrics(seen, scores[rules], rules))
    return scores, metrics


def score_rows(
    benchmark: Benchmark, seen: Sequence[Sample], responses: Mapping[str, Response], rules: RuleSet
) -> list[Score]:
    """One score a sample; a question without an answer is not scored."""
    answered = [s.id for s in seen if s.id in responses and responses[s.id].finish != "error"]
    texts = dict(zip(answered, answers_as_read([responses[i].text for i in answered], rules), strict=True))
    scores = []
    for sample in seen:
        response = responses.get(sample.id) or missing(sample.id)
        if sample.id in texts and texts[sample.id] != response.text:
            response = Response(id=sample.id, text=texts[sample.id], finish=response.finish)
        scores.append(benchmark.score(sample, response, rules))
    return scores


def missing(sample_id: str) -> Response:
    """Stands for a question that has not been answered."""
    return Response(id=sample_id, text="", finish="error", error="not answered yet")
