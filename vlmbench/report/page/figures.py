"""The upper part of the page: what a run amounts to under each rule set, and where it comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vlmbench.domain import RULE_SETS
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import visible
from vlmbench.report.page.chinese import decoding_in_both, in_both, note_in_both
from vlmbench.report.page.kept import answers_kept
from vlmbench.report.page.tallies import answered_labels, latency
from vlmbench.report.page.texts import NAME
from vlmbench.report.results import finite


def figures(runs: Sequence[FinishedRun], difference: Mapping[str, Any] | None) -> dict[str, Any]:
    """The document behind everything above the list of questions."""
    first = runs[0]
    card = first.questions.card
    return {
        "kind": "runs",
        "benchmark": visible(first.benchmark),
        "measures": in_both(visible(card.measures if card else "", 400)),
        "circular": first.circular,
        "rules": first.rules,
        "rule_sets": [rules for rules in RULE_SETS if all(rules in r.results["by_rules"] for r in runs)],
        "all_rules": list(RULE_SETS),
        "runs": [_run(run) for run in runs],
        "difference": _differences(difference) if difference else None,
    }


def _differences(by_rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """Between two runs, under each rule set; categories named as in the table of figures."""
    return {
        rules: finite({**found, "categories": _by_category(found), "notes": _notes(found)})
        for rules, found in by_rules.items()
    }


def _notes(found: Mapping[str, Any]) -> list[list[str]]:
    return [note_in_both(visible(note, 500)) for note in found.get("notes", ())]


def _by_category(found: Mapping[str, Any]) -> list[list[Any]]:
    known = found.get("categories", ())
    return [[visible(level), visible(name, NAME), value, p] for level, name, value, p in known]


def _run(run: FinishedRun) -> dict[str, Any]:
    results, kept = run.results, answers_kept(run)
    return {
        "model": visible(run.model),
        "folder": visible(run.folder.name),
        "kept": kept,
        "complete": run.whole,
        "partial": results["partial"],
        "blind": results["blind"],
        "withheld": results["withheld"],
        "needs_judge": results["needs_judge"],
        "errors": results["errors"],
        "rows": results["rows"],
        "facts": _facts(run),
        "by_rules": {rules: _under(run, rules, kept) for rules in RULE_SETS if rules in results["by_rules"]},
        "latency": finite(latency(list(run.responses.values()))),
        "rate": finite(results["timing"].get("rows_per_second")),
    }


def _under(run: FinishedRun, rules: Any, kept: bool) -> dict[str, Any]:
    found = run.results["by_rules"][rules]
    answers = answered_labels(run.questions.samples, run.scores[rules], run.responses) if kept else None
    return {
        "headline": _named(found["headline"]),
        "metrics": [_named(figure) for figure in found["metrics"]],
        "unparsed": found["unparsed"],
        "unscored": found.get("unscored", {}).get("count", 0),
        "answers": answers,
    }


def _named(figure: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: figure.get(key) for key in ("value", "unit", "ci95", "n", "rows")}
    split = figure.get("split")
    return {
        **kept,
        "name": visible(figure["name"], NAME),
        "level": visible(figure["level"]),
        "split": visible(split, NAME) if split else None,
    }


def _facts(run: FinishedRun) -> list[list[str]]:
    """What must be known to run it again: what it is called, and its value in English and Chinese."""
    last = run.sittings[-1] if run.sittings else {}
    versions = last.get("versions")
    released = versions if isinstance(versions, Mapping) else {}
    dataset = run.facts.get("dataset")
    data = dataset if isinstance(dataset, Mapping) else {}
    model = run.facts.get("model")
    about = model if isinstance(model, Mapping) else {}
    pairs = {
        "model": run.model,
        "architecture": about.get("architecture"),
        "precision": about.get("dtype"),
        "prompt style": run.results["style"],
        "decoding": decoding_in_both(run.facts.get("decoding")),
        "data": data.get("file"),
        "md5": data.get("md5"),
        "limit": run.results["limit"],
        "seed": run.results["seed"],
        "judge": run.results["judged"]["model"],
        "started": last.get("started"),
        "vlmbench": released.get("vlmbench"),
    }
    both = {key: value if isinstance(value, list) else [value] * 2 for key, value in pairs.items()}
    known = {key: values for key, values in both.items() if values[0] not in (None, "")}
    return [[key, *(visible(str(value), 300) for value in values)] for key, values in known.items()]
