"""The upper part of the page: a run's figures under each rule set, its settings, options and seconds."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from vlmbench.domain import RULE_SETS, Response, Sample, Score
from vlmbench.finished import FinishedRun
from vlmbench.plain_text import visible
from vlmbench.report.page.questions import answers_kept
from vlmbench.report.page.texts import NAME, decoding_in_both, measures_in_both, note_in_both
from vlmbench.report.results import finite

MOST_LABELS = 12
"""With more kinds of answers than this, the page has no table of them."""
BINS = 24
"""Bars of the chart of seconds."""


def figures(runs: Sequence[FinishedRun], difference: Mapping[str, Any] | None) -> dict[str, Any]:
    """The data of everything above the list of questions."""
    first = runs[0]
    card = first.questions.card
    return {
        "kind": "runs",
        "benchmark": visible(first.benchmark),
        "measures": measures_in_both(visible(card.measures if card else "", 400)),
        "circular": first.circular,
        "rules": first.rules,
        "rule_sets": [rules for rules in RULE_SETS if all(rules in r.results["by_rules"] for r in runs)],
        "all_rules": list(RULE_SETS),
        "runs": [_run(run) for run in runs],
        "difference": _differences(difference) if difference else None,
    }


def _differences(by_rules: Mapping[str, Any]) -> Mapping[str, Any]:
    """The difference of two runs under each rule set; categories are named as in the table of figures."""
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
        "model": visible(run.name),
        "folder": visible(run.folder.name),
        "kept": kept,
        "complete": run.whole,
        "partial": results["partial"],
        "blind": results["blind"],
        "withheld": results["withheld"],
        "needs_judge": results["needs_judge"],
        "errors": results["errors"],
        "rows": results["rows"],
        "draws": run.draws,
        "facts": _facts(run),
        "by_rules": {rules: _under(run, rules, kept) for rules in RULE_SETS if rules in results["by_rules"]},
        "latency": finite(latency(list(run.responses.values()))),
        "rate": finite(results["timing"].get("rows_per_second")),
    }


def _under(run: FinishedRun, rules: Any, kept: bool) -> dict[str, Any]:
    found = run.results["by_rules"][rules]
    scores = [score for one in run.passes for score in one[rules]]
    answers = answered_labels(run.questions.samples, scores, run.responses) if kept else None
    return {
        "headline": _named(found["headline"]),
        "metrics": [_named(figure) for figure in found["metrics"]],
        "unparsed": found["unparsed"],
        "unscored": found.get("unscored", {}).get("count", 0),
        "answers": answers,
        "spread": found.get("spread"),
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
    """The settings needed to repeat the run: a key each, with the value in English and Chinese."""
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
        "draws": run.draws if run.draws > 1 else None,
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


def answered_labels(
    samples: Sequence[Sample], scores: Sequence[Score], responses: Mapping[str, Response]
) -> dict[str, Any] | None:
    """For each right answer, how often each option was answered; None where answers are free text."""
    truths = {s.id: s.references[0] for s in samples if len(s.references) == 1}
    labels = sorted(set(truths.values()))
    # An option that is offered and never right shows a bias when it is answered.
    labels = sorted({*labels, *(letter for s in samples if s.id in truths for letter in s.choices)})
    if not 2 <= len(labels) <= MOST_LABELS or len(truths) < len(labels):
        return None
    place = {label.casefold(): number for number, label in enumerate(labels)}
    table = [[0] * (len(labels) + 2) for _ in labels]
    other, none = len(labels), len(labels) + 1
    for score in scores:
        response = responses.get(score.id)
        if score.id not in truths or response is None or response.finish == "error":
            continue
        found = none if score.extracted is None else place.get(score.extracted.casefold(), other)
        table[place[truths[score.id].casefold()]][found] += 1
    return {"labels": [visible(label) for label in labels], "table": table}


def latency(responses: Sequence[Response]) -> dict[str, Any] | None:
    """Seconds per answer: median, 95th percentile, longest and distribution; None below two measurements."""
    seconds = sorted(s for r in responses if (s := _measured(r.seconds)) is not None)
    if len(seconds) < 2:
        return None
    tokens = [r.new_tokens for r in responses if isinstance(r.new_tokens, int)]
    return {
        "n": len(seconds),
        "median": median(seconds),
        "p95": quantiles(seconds, n=20, method="inclusive")[-1],
        "most": seconds[-1],
        "tokens": median(tokens) if tokens else None,
        "bins": _log_bins(seconds),
    }


def _measured(seconds: Any) -> float | None:
    known = isinstance(seconds, (int, float)) and math.isfinite(seconds) and seconds > 0
    return float(seconds) if known else None


def _log_bins(values: Sequence[float]) -> list[list[float]]:
    """`[from, to, count]`, equally wide on a logarithmic scale."""
    low, high = math.log10(values[0]), math.log10(values[-1])
    if high - low < 0.3:
        low, high = (low + high) / 2 - 0.15, (low + high) / 2 + 0.15
    width = (high - low) / BINS
    counts = Counter(min(BINS - 1, int((math.log10(v) - low) / width)) for v in values)
    return [[10 ** (low + i * width), 10 ** (low + (i + 1) * width), counts[i]] for i in range(BINS)]
