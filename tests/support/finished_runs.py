"""Finished runs made up for tests, as `open_run` would give them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from samples import metric, rotated, sample
from samples import run as made_run

from vlmbench.domain import RULE_SETS, Card, DataFile, Metric, RuleSet, Run
from vlmbench.finished import FinishedRun, Questions
from vlmbench.report.results import results_document

FACTS: Mapping[str, Any] = {"dataset": {"md5": "d1", "with pictures": "d1"}, "prompts": "p1"}


def finished(run: Run, folder: str = "runs/a", **facts: Any) -> FinishedRun:
    """The run as if read from that folder."""
    return FinishedRun(
        folder=Path(folder),
        spec=asdict(run.spec),
        facts={**FACTS, **facts},
        sittings=({"versions": {"vlmbench": "0.1.0"}},),
        results=results_document(run),
        read_scores=lambda: run.scores,
        read_responses=lambda: run.responses,
        read_questions=lambda: Questions(samples=run.samples, benchmark=_benchmark_of(run)),
    )


def _benchmark_of(run: Run) -> Any:
    return SimpleNamespace(card=run.card, metrics=lambda _samples, _scores, rules: run.metrics[rules])


def circular_run(
    right: Sequence[bool], *, model: str = "demo", folder: str = "runs/a", **facts: Any
) -> FinishedRun:
    """A question each; a wrong one is answered B in its second rotation."""
    samples = [
        replace(s, categories={"category": f"kind {int(s.group) % 3}"})
        for s in rotated(len(right), answer="A")
    ]
    wrong = {str(1_000_000 + i): "B" for i, hit in enumerate(right) if not hit}
    texts = {s.id: wrong.get(s.id, "A") for s in samples}
    n = len(right)
    headline = metric("circular accuracy", sum(right) / n, n=n, rows=2 * n)
    return finished(made_run(samples, [headline], texts, model=model), folder, **facts)


def row_run(
    values: Sequence[float],
    pictures: Sequence[int],
    *,
    model: str = "demo",
    folder: str = "runs/a",
    **facts: Any,
) -> FinishedRun:
    """A row each, worth any value; rows of one picture number share that picture."""
    samples = [replace(sample(f"r{i}", answer="A"), images=(f"p{p}",)) for i, p in enumerate(pictures)]
    mean, n, unit = math.fsum(values) / len(values), len(values), "points" if max(values) > 1 else "fraction"
    headline: Metric = metric("accuracy", mean, n=n, rows=n, unit=unit, ci95=(mean, mean))
    run = made_run(samples, [headline], model=model)
    scores: dict[RuleSet, Any] = {
        rules: tuple(replace(s, value=v) for s, v in zip(run.scores[rules], values, strict=True))
        for rules in RULE_SETS
    }
    card = Card(name="Rows", measures="", family="short-answer", file=DataFile(name="rows.tsv"))
    return finished(replace(run, scores=scores, card=card), folder, **facts)
