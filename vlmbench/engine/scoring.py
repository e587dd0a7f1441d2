"""From answers to figures, under every rule set. Needs no model, unless a judge was named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from vlmbench.answers.original import figures_under, scores_under
from vlmbench.answers.responses import answer_alone, is_unfinished, written
from vlmbench.answers.thinking import why_no_answer
from vlmbench.answers.toolkits import answers_as_read, samples_as_read
from vlmbench.domain import RULE_SETS, Benchmark, Metric, Response, RuleSet, Sample, Score
from vlmbench.engine.bounds import NOT_ANSWERED
from vlmbench.engine.judging import Judge
from vlmbench.engine.judgments import Judgments

Scores = dict[RuleSet, tuple[Score, ...]]
Metrics = dict[RuleSet, tuple[Metric, ...]]


def score_under_all(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    responses: Mapping[str, Response],
    judge: Judge | None = None,
    *,
    judgments: Judgments | None = None,
    first: RuleSet = "strict",
) -> tuple[Scores, Metrics]:
    """Scores and figures by rule set. Every rule set reads the files as its own toolkit would.

    Stored judgments come before the judge. One whose calls are capped spends them on the rule set that
    comes `first`.
    """
    scores: Scores = {}
    metrics: Metrics = {}
    for rules in sorted(RULE_SETS, key=lambda rules: rules != first):
        seen = seen_by(rules, samples, responses)
        read = responses_as_read(seen, responses, rules)
        rows = without_answers(read, scores_under(benchmark, seen, read, rules))
        for settler in (judgments, judge):
            if settler is not None:
                rows = settler.settle(benchmark, seen, read, rows, rules)
        scores[rules] = tuple(rows)
        metrics[rules] = tuple(figures_under(benchmark, seen, rows, rules))
    return {r: scores[r] for r in RULE_SETS}, {r: metrics[r] for r in RULE_SETS}


def seen_by(rules: RuleSet, samples: Sequence[Sample], responses: Mapping[str, Response]) -> list[Sample]:
    """The samples as `rules` reads them.

    The other toolkits score the rows of the predictions file: to them a row that is not in it does
    not exist, so a missing rotation is forgiven. To `strict` and `original` it is missing.
    """
    seen = samples_as_read(samples, rules)
    return seen if rules in ("strict", "original") else [s for s in seen if s.id in responses]


def responses_as_read(
    seen: Sequence[Sample], responses: Mapping[str, Response], rules: RuleSet
) -> list[Response]:
    """One response a sample, its text as `rules` would have read it.

    `strict` reads the answer alone, the others all that the model wrote: their toolkits know no thoughts.
    Under `strict` a row that is no question (its answer names no option, say) has none.
    """
    answered = [s.id for s in seen if s.id in responses and responses[s.id].finish != "error"]
    read_as = answer_alone if rules == "strict" else written
    given = answers_as_read([read_as(responses[i]) for i in answered], rules)
    texts = dict(zip(answered, given, strict=True))
    read = []
    for sample in seen:
        response = responses.get(sample.id) or missing(sample.id)
        if rules == "strict" and sample.problem is not None:
            response = replace(response, text="", finish="error", error=sample.problem)
        if sample.id in texts and texts[sample.id] != response.text:
            response = replace(response, text=texts[sample.id])
        read.append(response)
    return read


def without_answers(read: Sequence[Response], scores: Sequence[Score]) -> list[Score]:
    """The scores, where that of a thought without an answer names it as the reason.

    Under the sets that read everything no response is without text.
    """
    return [
        replace(score, extracted=None, reason=why_no_answer(response.thought))
        if is_unfinished(response) and response.thought is not None and score.value is not None
        else score
        for response, score in zip(read, scores, strict=True)
    ]


def missing(sample_id: str) -> Response:
    """Stands for a question that has not been answered."""
    return Response(id=sample_id, text="", finish="error", error=NOT_ANSWERED)
