"""Which checkpoint is the best, by a paired test and not by the highest figure alone.

The highest of several figures is partly luck. So every other checkpoint is compared with the highest,
question by question; those whose difference could be chance (p of 0.05 or more, after Holm) are as good as
the highest, and of them the earliest is taken: it cost least and had least time to learn data by heart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.files.atomic import atomic_file
from vlmbench.files.json_files import as_line, whole_lines
from vlmbench.model_files.weights import save_json
from vlmbench.stats import Difference, holm
from vlmbench.trainers.evaluation.candidates import Candidate, Value
from vlmbench.trainers.training.metrics import METRICS

LEVEL = 0.05
RULE = (
    "the earliest checkpoint that a paired test, with Holm's correction, cannot tell apart from the one "
    "with the highest score"
)

Compare = Callable[[Value, Value], Difference]
BEST = "best.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """A checkpoint beside the highest."""

    candidate: Candidate
    value: Value
    difference: Difference | None
    """Less the highest; None for the highest itself."""
    adjusted_p: float | None

    @property
    def worse(self) -> bool:
        """Whether the test tells it apart from the highest."""
        return self.adjusted_p is not None and self.adjusted_p < LEVEL


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The best, and how it compares."""

    best: Rival
    highest: Rival
    rivals: tuple[Rival, ...]
    """By step, the highest among them."""


def choose(candidates: Sequence[tuple[Candidate, Value]], compare: Compare) -> Choice:
    """The earliest that the paired test `compare(highest, other)` cannot tell apart from the highest."""
    ordered = sorted(candidates, key=lambda pair: pair[0].step)
    top = max(ordered, key=lambda pair: (_figure(pair[1]), -pair[0].step))
    others = [pair for pair in ordered if pair is not top]
    differences = [compare(top[1], value) for _, value in others]
    adjusted = holm([difference.p for difference in differences])
    highest = Rival(candidate=top[0], value=top[1], difference=None, adjusted_p=None)
    rivals = [
        Rival(candidate=candidate, value=value, difference=difference, adjusted_p=p)
        for (candidate, value), difference, p in zip(others, differences, adjusted, strict=True)
    ]
    everybody = tuple(sorted((*rivals, highest), key=lambda rival: rival.candidate.step))
    return Choice(
        best=next(rival for rival in everybody if not rival.worse), highest=highest, rivals=everybody
    )


def _figure(value: Value) -> float:
    return float("-inf") if value.value is None else value.value


def log_values(work_dir: Path, values: Iterable[Value]) -> None:
    """Log a line for each; it replaces an earlier line of the same step and benchmark."""
    file = work_dir / METRICS
    fresh = {
        (value.step, value.benchmark): {
            "step": value.step, "benchmark": value.benchmark, "value": value.value,
            "ci95": value.ci95, "n": value.n, "name": value.name, "unit": value.unit,
        }
        for value in values
    }  # fmt: skip
    kept = [line for line in whole_lines(file) if (line.get("step"), line.get("benchmark")) not in fresh]
    with atomic_file(file) as aside:
        aside.write_bytes(b"".join(map(as_line, (*kept, *fresh.values()))))


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
    """Why that one: a relative clause."""
    if choice.best is choice.highest:
        return "which has the highest score"
    step = choice.highest.candidate.step
    return (
        f"which cannot be told apart from step {step} with the highest score (p {choice.best.adjusted_p:.3f})"
    )


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
