"""Rows for the tests of open benchmarks, and the figures they come to."""

from __future__ import annotations

from vlmbench.domain import Metric, Response, Row, RuleSet, Sample
from vlmbench.engine.scoring import score_under_all
from vlmbench.registry import load_benchmark


def row(index: object = 0, picture: str | None = "p", **cells: str) -> Row:
    named = {"index": str(index), "question": "Is it?"} | {k.replace("__", "-"): v for k, v in cells.items()}
    return Row(
        index=str(index), cells={k: v for k, v in named.items() if v}, images=(picture,) if picture else ()
    )


def figures(name: str, rows: list[Row], answers: list[str], rules: RuleSet = "strict") -> dict[str, Metric]:
    benchmark = load_benchmark(name)
    samples = tuple(benchmark.samples(rows))
    responses = {
        s.id: Response(id=s.id, text=t, finish="stop") for s, t in zip(samples, answers, strict=True)
    }
    _, metrics = score_under_all(benchmark, samples, responses)
    return {m.name: m for m in metrics[rules]}


def only_sample(name: str, **cells: str) -> Sample:
    return next(iter(load_benchmark(name).samples([row(**cells)])))
