"""The files of a finished run, written beside its answers; above all results.json, its figures for programs.

The schema of results.json is `results.schema.json`, beside this module.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlmbench.answers.responses import is_unfinished, written
from vlmbench.answers.scores import NO_RULE
from vlmbench.decoding import decodings_in
from vlmbench.domain import RULE_SETS, Metric, RuleSet, Run, Score
from vlmbench.draws import draw_ids
from vlmbench.files.json_files import read_object
from vlmbench.report.exports.mmbench import write_mmbench_result
from vlmbench.report.exports.sheets import CutCell, write_predictions_xlsx
from vlmbench.store import write_json, write_text

RESULTS = "results.json"
SCORES = "scores.jsonl"
PREDICTIONS = "predictions.xlsx"
PICTURES = "pictures.jsonl"
SUBMISSION = "mmbench_result.xlsx"
AGAIN = "The same `vlmbench run` writes it again; answers that are there are kept."
"""The fix for a damaged one of these files."""

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("results.schema.json")
_REASONS, _NAMED = 5, 20
"""How many reasons and questions without a score results.json lists; scores.jsonl has them all."""


def write_run_files(run: Run, folder: Path) -> tuple[CutCell, ...]:
    """Figures, scores, picture digests, every row and, for circular multiple choice, the submission.

    Of several draws the xlsx files have the first. Returns the cells cut at Excel's limit; responses.jsonl
    has their whole texts.
    """
    write_json(folder / RESULTS, results_document(run))
    scores = (asdict(score) for rules in every_score(run).values() for score in rules)
    write_text(folder / SCORES, _json_lines(scores))
    # Rows that show the same picture are one cluster in every test.
    shown = ({"id": sample.id, "pictures": sample.images} for sample in run.samples if sample.images)
    write_text(folder / PICTURES, _json_lines(shown))
    given = [run.responses.get(sample.id) for sample in run.samples]
    # As the toolkit whose layout it is writes them: thoughts and all.
    whole = ["" if response is None else written(response) for response in given]
    cut = write_predictions_xlsx(folder / PREDICTIONS, run.columns, run.samples, whole)
    if run.card.family == "multiple-choice" and run.card.circular:
        answers = ["" if response is None else response.text for response in given]
        write_mmbench_result(folder / SUBMISSION, run.samples, answers)
    return cut


def _json_lines(lines: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def every_score(run: Run) -> Mapping[RuleSet, tuple[Score, ...]]:
    """What scores.jsonl has: each draw's scores where there are several, else one a row."""
    return run.scores if run.draws is None else {rules: run.draws.of_all(rules) for rules in run.scores}


def results_document(run: Run) -> dict[str, Any]:
    """results.json: keys in a fixed order, NaN and infinity as null."""
    spec = run.spec
    by_rules = {rules: _under(run, rules) for rules in RULE_SETS if rules in run.metrics}
    chosen = by_rules[spec.rules]
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark": spec.benchmark,
        "model": spec.model,
        **({} if spec.name is None else {"name": spec.name}),
        "rules": spec.rules,
        "style": spec.style,
        "decoding": finite([setting.document() for setting in decodings_in(run.facts.get("decoding"))]),
        "limit": spec.limit,
        "seed": spec.seed,
        "blind": spec.blind,
        "partial": run.partial,
        "complete": run.complete,
        "withheld": not any(sample.references for sample in run.samples),
        "headline": chosen["headline"],
        "metrics": chosen["metrics"],
        "by_rules": by_rules,
        "rows": {"asked": len(run.samples), "answered": len(run.answered)},
        "left_out": run.facts.get("left out", 0),
        "unparsed": chosen["unparsed"],
        "unscored": chosen["unscored"],
        "errors": run.errors,
        "bounds": finite(run.bounds),
        "needs_judge": run.card.judge and run.judging is None and run.judgments is None,
        "judged": _judged(run),
        "joined": _joined(run),
        "timing": finite(run.timing),
        **_draws(run),
        **({"usage": finite(run.usage)} if run.usage else {}),
        **_thinking(run),
        **_predictions(run),
    }


def results_schema() -> dict[str, Any]:
    """The JSON Schema of results.json."""
    return read_object(SCHEMA_FILE)


def finite(value: Any) -> Any:
    """The value with None for NaN and infinity, which JSON does not have, and lists for tuples."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [finite(item) for item in value]
    return value


def _predictions(run: Run) -> dict[str, Any]:
    """Which file the answers were read from; empty where vlmbench asked the model itself."""
    facts = run.facts.get("predictions")
    return {} if facts is None else {"predictions": finite(facts)}


def _draws(run: Run) -> dict[str, Any]:
    """How many answers each question has, and how many there are in all; empty where it is one."""
    number = run.spec.samples
    if number == 1:
        return {}
    return {"draws": {"number": number, "asked": number * len(run.samples), "answered": len(_answered(run))}}


def _thinking(run: Run) -> dict[str, Any]:
    """Answers with a thought, those without anything else, and tokens of both; empty without thoughts."""
    given = [run.responses[i] for i in _answered(run)]
    thoughts = [response for response in given if response.thought is not None]
    if not thoughts:
        return {}
    counted = [r for r in thoughts if r.thought_tokens is not None and r.new_tokens is not None]
    inside = sum(r.thought_tokens or 0 for r in counted)
    return {
        "thinking": {
            "thoughts": len(thoughts),
            "unfinished": sum(map(is_unfinished, thoughts)),
            "counted": len(counted),
            "thought_tokens": inside,
            "answer_tokens": sum(r.new_tokens or 0 for r in counted) - inside,
        }
    }


def _joined(run: Run) -> dict[str, Any] | None:
    """Reference answers from another file than the benchmark's own; None where there is no such file."""
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
    """How many rows a judge scored, and what asking it took."""
    count = sum(score.judged for score in every_score(run).get(run.spec.rules, ()))
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
    """Judgments read from a file: whose, and how many rows they score."""
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
    figures = [_figure(metric) for metric in run.metrics[rules]]
    return {
        "headline": figures[0],
        "metrics": figures,
        "unparsed": _unparsed(run, rules),
        "unscored": _unscored(run, rules),
        **_spread(run, rules),
    }


def _spread(run: Run, rules: RuleSet) -> dict[str, Any]:
    """Standard deviations within a question and between questions; empty without several draws."""
    found = run.draws.spread.get(rules) if run.draws else None
    return {} if found is None else {"spread": asdict(found)}


def _unscored(run: Run, rules: RuleSet) -> dict[str, Any]:
    """How many questions have no score, their most frequent reasons, and the first of them."""
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
    """The ids of all answers. A failed request has none, so it does not count as unparsed."""
    asked = {own for sample in run.samples for own in draw_ids(sample.id, run.spec.samples)}
    return {i for i, response in run.responses.items() if response.finish != "error" and i in asked}


def _unparsed(run: Run, rules: RuleSet) -> dict[str, Any]:
    answered = _answered(run)
    read = (s for s in every_score(run).get(rules, ()) if s.reason != NO_RULE.get(rules))
    count = sum(s.extracted is None and s.id in answered for s in read)
    return {"count": count, "rate": count / len(answered) if answered else None}
