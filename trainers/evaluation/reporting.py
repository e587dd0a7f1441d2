"""What evaluation found, told where it is looked for: the training log, the model card, best.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vlmbench.model_files.weights import save_json
from vlmbench.trainers.evaluation.choosing import RULE, Choice, Rival
from vlmbench.trainers.evaluation.nouns import Value
from vlmbench.trainers.training.metrics import METRICS, whole_lines

BEST = "best.json"


def log_values(work_dir: Path, values: Iterable[Value]) -> None:
    """A line against the step for each; one that says the same again takes the place of the one before."""
    file = work_dir / METRICS
    fresh = {
        (value.step, value.benchmark): {
            "step": value.step, "benchmark": value.benchmark, "value": value.value,
            "ci95": value.ci95, "n": value.n, "name": value.name, "unit": value.unit,
        }
        for value in values
    }  # fmt: skip
    kept = [line for line in whole_lines(file) if (line.get("step"), line.get("benchmark")) not in fresh]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in (*kept, *fresh.values()))
    aside = file.with_name(f".{METRICS}.tmp")
    aside.write_text(text, "utf-8")
    aside.replace(file)


def is_logged(work_dir: Path, step: int, benchmarks: Iterable[str]) -> bool:
    """Whether the log has all of these at that step."""
    found = {(line.get("step"), line.get("benchmark")) for line in whole_lines(work_dir / METRICS)}
    return all((step, benchmark) in found for benchmark in benchmarks)


def results_text(values: Sequence[Value]) -> str:
    """The table of the model card."""
    lines = ["| benchmark | figure | score | 95 % | n |", "|---|---|---|---|---|"]
    for value in values:
        interval = "" if value.ci95 is None else " – ".join(map(value.plain, value.ci95))
        lines.append(f"| {value.benchmark} | {value.name} | {value.text} | {interval} | {value.n} |")
    return "\n".join(lines)


def write_best(work_dir: Path, benchmark: str, choice: Choice) -> None:
    """Which checkpoint was chosen, by which rule, and what it was measured against."""
    document = {
        "rule": RULE,
        "benchmark": benchmark,
        "best": _rival(choice.best),
        "highest": _rival(choice.highest),
        "candidates": [_rival(rival) for rival in choice.rivals],
    }
    save_json(work_dir / BEST, document)


def reason(choice: Choice) -> str:
    """Why that one, in half a sentence."""
    if choice.best is choice.highest:
        return "which has the highest score"
    step = choice.highest.candidate.step
    return f"which cannot be told from step {step} with the highest score (p {choice.best.adjusted_p:.3f})"


def _rival(rival: Rival) -> dict[str, Any]:
    found: dict[str, Any] = {
        "step": rival.candidate.step,
        "model": str(rival.candidate.model),
        "value": rival.value.value,
        "n": rival.value.n,
    }
    if rival.difference is not None:
        found["less_the_highest"] = {
            "value": rival.difference.value,
            "ci95": rival.difference.ci95,
            "p": rival.difference.p,
            "adjusted_p": rival.adjusted_p,
            "test": rival.difference.test,
        }
    return found
