"""results.json: the figures of a run, for programs. Its schema is `results.schema.json`, beside this file."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.answers.scores import NO_RULE
from vlmbench.domain import RULE_SETS, Metric, RuleSet, Run
from vlmbench.files.json_files import read_object

SCHEMA_VERSION = 1
_REASONS, _NAMED = 5, 20
"""Reasons and questions named of those that have no value; scores.jsonl has them all."""
SCHEMA_FILE = Path(__file__).with_name("results.schema.json")


def results_document(run: Run) -> dict[str, Any]:
    """The document, keys in a fixed order, with nothing in it that JSON cannot hold."""
    spec = run.spec
    by_rules = {rules: _under(run, rules) for rules in RULE_SETS if rules in run.metrics}
    chosen = by_rules[spec.rules]
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": spec.benchmark,
        "model": spec.model,
        "rules": spec.rules,
        "style": spec.style,
        "limit": spec.limit,
        "seed": spec.seed,
        "blind": spec.blind,
        "partial": run.partial,
        "complete": run.complete,
        "withheld": not any(sample.references for sample in run.samples),
        "headline": chosen["headline"],
        "metrics": chosen["metrics"],
        "by_rules": by_rules,
        "rows": {"asked": len(run.samples), "answered": len(_answered(run))},
        "left_out": run.facts.get("left out", 0),
        "unparsed": chosen["unparsed"],
        "unscored": chosen["unscored"],
        "errors": run.errors,
        "bounds": finite(run.bounds),
        "needs_judge": run.card.judge and run.judging is None and run.judgments is None,
        "judged": _judged(run),
        "joined": _joined(run),
        "timing": finite(run.timing),
        **_predictions(run),
    }


def results_schema() -> dict[str, Any]:
    """The JSON Schema of the document."""
    return read_object(SCHEMA_FILE)


def finite(value: Any) -> Any:
    """The value with every NaN and infinity, which JSON does not know, as None; tuples as lists."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(item) for item in value]
    return value


def _predictions(run: Run) -> dict[str, Any]:
    """Which file the answers were read from; nothing for answers of our own."""
    facts = run.facts.get("predictions")
    return {} if facts is None else {"predictions": finite(facts)}


def _joined(run: Run) -> dict[str, Any] | None:
    """Where the answers come from that the benchmark's own file has not, and how many; usually none do."""
    joined = run.joined
    if joined is None:
        return None
    return {
        "file": joined.source,
        "rows": joined.rows,
        "of_rows": joined.of_rows,
        "questions": joined.questions,
        "of_questions": joined.of_questions,
        "own": joined.own,
        "contradicted": joined.contradicted,
        "not_joined": dict(joined.not_joined),
    }


def _judged(run: Run) -> dict[str, Any]:
    """How many rows rest on a judge's reply, and what asking took."""
    count = sum(score.judged for score in run.scores.get(run.spec.rules, ()))
    judging = run.judging
    stored = _stored(run)
    if judging is None:
        return {"count": count, "model": None} | stored
    return {
        "count": count,
        "model": judging.model,
        "by_rules": dict(judging.rows),
        "replies": dict(judging.replies),
        "asked": judging.asked,
        "reused": judging.reused,
        "failed": judging.failed,
        "not_asked": judging.not_asked,
        "prompt_tokens": judging.prompt_tokens,
        "new_tokens": judging.new_tokens,
        "cost": finite(judging.cost),
    } | stored


def _stored(run: Run) -> dict[str, Any]:
    """Whose judgments a file brought, and how many rows rest on them."""
    stored = run.judgments
    if stored is None:
        return {}
    return {
        "judgments": {
            "file": stored.file,
            "sha256": stored.sha256,
            "judge": stored.judge,
            "judgments": stored.judgments,
            "rows": stored.rows[run.spec.rules],
            "by_rules": dict(stored.rows),
        }
    }


def _under(run: Run, rules: RuleSet) -> dict[str, Any]:
    """The figures under one rule set."""
    figures = [_figure(metric) for metric in run.metrics[rules]]
    return {
        "headline": figures[0],
        "metrics": figures,
        "unparsed": _unparsed(run, rules),
        "unscored": _unscored(run, rules),
    }


def _unscored(run: Run, rules: RuleSet) -> dict[str, Any]:
    """How many questions no figure counts, the reasons from the most frequent on, and the first of them."""
    questions = run.unscored.get(rules, {})
    reasons = Counter(questions.values()).most_common(_REASONS)
    return {"count": len(questions), "reasons": dict(reasons), "first": list(questions)[:_NAMED]}


def _figure(metric: Metric) -> dict[str, Any]:
    interval = finite(metric.ci95)
    return {
        "name": metric.name,
        "split": metric.split,
        "level": metric.level,
        "value": finite(metric.value),
        "unit": metric.unit,
        "stderr": finite(metric.stderr),
        "ci95": None if interval is None or None in interval else interval,
        "n": metric.n,
        "rows": metric.rows,
    }


def _answered(run: Run) -> set[str]:
    """The rows that have an answer. A failed request has none, so it cannot be unparsed either."""
    asked = {sample.id for sample in run.samples}
    return {i for i, response in run.responses.items() if response.finish != "error" and i in asked}


def _unparsed(run: Run, rules: RuleSet) -> dict[str, Any]:
    answered = _answered(run)
    read = (s for s in run.scores.get(rules, ()) if s.reason != NO_RULE.get(rules))
    count = sum(s.extracted is None and s.id in answered for s in read)
    return {"count": count, "rate": count / len(answered) if answered else None}
