"""Run folders on disk for tests of the leaderboard, as `vlmbench run` leaves them, of any name and score."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vlmbench.domain import RULE_SETS


def write_run(
    folder: Path,
    model: str,
    right: Sequence[bool],
    *,
    benchmark: str = "Bench_DEV_EN",
    facts: dict[str, Any] | None = None,
    scores: bool = True,
    **results: Any,
) -> Path:
    """A circular run of that many questions, two rotations each; `results` overrides results.json."""
    folder.mkdir(parents=True)
    n = len(right)
    figure = _figure(sum(right) / n, n)
    under = {"headline": figure, "metrics": [figure], "unparsed": {"count": 0, "rate": 0.0}}
    spec = {
        "benchmark": benchmark,
        "model": model,
        "rules": "strict",
        "style": "llava",
        "limit": None,
        "seed": 0,
    }
    document = {
        "schema_version": 1,
        **spec,
        "blind": False,
        "partial": False,
        "complete": True,
        "withheld": False,
        **under,
        "by_rules": dict.fromkeys(RULE_SETS, under),
        "rows": {"asked": 2 * n, "answered": 2 * n},
        "errors": 0,
        "bounds": None,
        "needs_judge": False,
        "judged": {"count": 0, "model": None},
        "timing": {},
        **results,
    }
    locked = {"dataset": {"md5": "d1", "with pictures": "d1"}, "prompts": "p1", "model": {"files": model}}
    about = {"schema_version": 1, "spec": spec, "facts": {**locked, **(facts or {})}, "sittings": []}
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "results.json").write_text(json.dumps(document))
    if scores:
        (folder / "scores.jsonl").write_text("".join(_lines(right)))
    return folder


def skilled(skill: int, n: int = 60) -> list[bool]:
    """Right on the first `skill` questions of `n`."""
    return [i < skill for i in range(n)]


def _figure(value: float, n: int) -> dict[str, Any]:
    error = (value * (1 - value) / n) ** 0.5
    return {
        "name": "circular accuracy",
        "split": "dev",
        "level": "overall",
        "value": value,
        "unit": "fraction",
        "stderr": error,
        "ci95": [max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error)],
        "n": n,
        "rows": 2 * n,
    }


def _lines(right: Sequence[bool]) -> list[str]:
    rows = [(str(i + r * 1_000_000), str(i), hit or r == 0) for i, hit in enumerate(right) for r in (0, 1)]
    score = {"extracted": "A", "reason": "", "judged": False}
    return [
        json.dumps({"id": i, "group": g, "rules": rules, "value": float(hit), **score}) + "\n"
        for rules in RULE_SETS
        for i, g, hit in rows
    ]
