"""The upper part of the page: what a run amounts to under each rule set, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmbench.domain import RULE_SETS
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import visible
from vlmbench.report.page.tallies import answered_labels, latency
from vlmbench.report.results import finite


def figures(runs: Sequence[FinishedRun], difference: Mapping[str, Any] | None) -> dict[str, Any]:
    """The document behind everything above the list of questions."""
    first = runs[0]
    card = first.questions.card
    return {
        "kind": "runs",
        "benchmark": visible(first.benchmark),
        "measures": visible(card.measures if card else "", 400),
        "circular": first.circular,
        "rules": first.rules,
        "rule_sets": [rules for rules in RULE_SETS if all(rules in r.results["by_rules"] for r in runs)],
        "all_rules": list(RULE_SETS),
        "runs": [_run(run) for run in runs],
        "difference": finite(difference) if difference else None,
    }


def _run(run: FinishedRun) -> dict[str, Any]:
    results = run.results
    return {
        "model": visible(run.model),
        "folder": visible(run.folder.name),
        "complete": run.whole,
        "partial": results["partial"],
        "blind": results["blind"],
        "withheld": results["withheld"],
        "needs_judge": results["needs_judge"],
        "errors": results["errors"],
        "rows": results["rows"],
        "facts": _facts(run),
        "by_rules": {rules: _under(run, rules) for rules in RULE_SETS if rules in results["by_rules"]},
        "latency": finite(latency(list(run.responses.values()))),
        "rate": finite(results["timing"].get("rows_per_second")),
    }


def _under(run: FinishedRun, rules: Any) -> dict[str, Any]:
    found = run.results["by_rules"][rules]
    return {
        "headline": _named(found["headline"]),
        "metrics": [_named(figure) for figure in found["metrics"]],
        "unparsed": found["unparsed"],
        "answers": answered_labels(run.questions.samples, run.scores[rules], run.responses),
    }


def _named(figure: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: figure.get(key) for key in ("value", "unit", "ci95", "n", "rows")}
    split = figure.get("split")
    return {
        **kept,
        "name": visible(figure["name"]),
        "level": visible(figure["level"]),
        "split": visible(split) if split else None,
    }


def _facts(run: FinishedRun) -> list[list[str]]:
    """What must be known to run it again."""
    last = run.sittings[-1] if run.sittings else {}
    versions = last.get("versions")
    known = versions if isinstance(versions, Mapping) else {}
    dataset = run.facts.get("dataset")
    data = dataset if isinstance(dataset, Mapping) else {}
    model = run.facts.get("model")
    about = model if isinstance(model, Mapping) else {}
    pairs = {
        "model": run.model,
        "architecture": about.get("architecture"),
        "precision": about.get("dtype"),
        "prompt style": run.results["style"],
        "decoding": _decoding(run.facts.get("decoding")),
        "data": data.get("file"),
        "md5": data.get("md5"),
        "limit": run.results["limit"],
        "seed": run.results["seed"],
        "judge": run.results["judged"]["model"],
        "started": last.get("started"),
        "vlmbench": known.get("vlmbench"),
    }
    return [[key, visible(str(value), 300)] for key, value in pairs.items() if value not in (None, "")]


def _decoding(settings: Any) -> str:
    if not isinstance(settings, list):
        return ""
    said = []
    for setting in settings:
        if isinstance(setting, Mapping):
            way = f"sampling at {setting.get('temperature')}" if setting.get("do_sample") else "greedy"
            said.append(f"{way}, at most {setting.get('max_new_tokens')} tokens")
    return "; ".join(said)
