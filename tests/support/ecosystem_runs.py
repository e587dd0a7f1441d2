"""Runs for the result files of others: a good one, and one of which every text is hostile."""

from __future__ import annotations

from dataclasses import replace

from finished_runs import circular_run, finished
from samples import metric, rotated
from samples import run as made_run

from vlmbench.finished import FinishedRun

HOSTILE = "<b>&\x00\ud800=cmd()\n---\n| `x` 'y': {z}"
SITTING = {"started": "2026-02-03T04:05:06+00:00", "versions": {"vlmbench": "0.1.0"}}


def dated(run: FinishedRun) -> FinishedRun:
    """As if answered on a known day."""
    return replace(run, sittings=(SITTING,))


def good_run() -> FinishedRun:
    """Thirty circular questions, twenty of them answered right."""
    decoding = [{"max_new_tokens": 512, "do_sample": False, "temperature": 1.0}]
    return dated(circular_run([i % 3 > 0 for i in range(30)], decoding=decoding))


def hostile_run() -> FinishedRun:
    """A run of which every text is an attack, one question without an answer, one in error."""
    samples = [replace(s, question=HOSTILE, categories={"category": HOSTILE}) for s in rotated(3, answer="A")]
    figures = [metric("circular accuracy", 0.5, n=2), metric(HOSTILE, 0.5, level="category")]
    texts: dict[str, str | None] = {s.id: HOSTILE for s in samples} | {"0": "A", "1": None, "2": "?"}
    return dated(finished(made_run(samples, figures, texts, name=HOSTILE, model=HOSTILE), "runs/hostile"))
