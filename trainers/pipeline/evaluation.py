"""Checkpoints evaluated during training and after it, and the best of them chosen by a paired test.

Each evaluation is a `vlmbench run` in a process of its own, which resumes where it was stopped. Scores go
into metrics.jsonl, the model card and run folders under WORK_DIR/runs; the choice into best.json.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from vlmbench.errors import RunFolderError
from vlmbench.stats import Difference
from vlmbench.trainers.evaluating import (
    Asker,
    Candidate,
    Question,
    Value,
    candidate,
    candidates,
    choose,
    keep,
)
from vlmbench.trainers.evaluating.asking import INTERRUPTED, ask
from vlmbench.trainers.evaluating.told import is_logged, log_values, reason, results_text, write_best
from vlmbench.trainers.training import Saved
from vlmbench.trainers.training.abandoned import begins_at
from vlmbench.trainers.training.job import MODEL

from .request import Harness


@contextlib.contextmanager
def evaluated_during_training(
    question: Question,
    harness: Harness,
    work_dir: Path,
    *,
    every: int,
    resume: Path | Literal["latest"] | None,
) -> Iterator[Callable[[Saved], None]]:
    """Yield what training calls with each checkpoint it wrote; return when all of them are evaluated.

    Candidates after the checkpoint that training resumes from are not evaluated: training removes them.
    """
    asker = Asker(question, work_dir / "evaluation.log")
    for kept in _still_valid(work_dir, resume):
        if _unfinished(kept, question, harness):
            asker.add(kept)

    def saved(checkpoint: Saved) -> None:
        known = [kept.step for kept in candidates(work_dir)]
        if checkpoint.last or checkpoint.step - max(known, default=0) < every:
            return
        kept = candidate(work_dir, checkpoint.step)
        keep(kept, checkpoint.folder)
        asker.add(kept)

    try:
        yield saved
        asker.wait()
    finally:
        asker.stop()


def evaluate_model(question: Question, harness: Harness, work_dir: Path, tell: Callable[[str], None]) -> int:
    """Evaluate the finished model and every checkpoint kept on its way; the highest exit code of all."""
    found = [*candidates(work_dir), _finished_model(work_dir)]
    left = {one: _unfinished(one, question, harness) for one in found}
    if code := _ask(question, left):
        return code
    names = [_value(found[-1], benchmark, harness).benchmark for benchmark in question.benchmarks]
    if any(left.values()) or not is_logged(work_dir, found[-1].step, names):
        _report(work_dir, found, question.benchmarks, harness, tell)
    return 0


def _still_valid(work_dir: Path, resume: Path | Literal["latest"] | None) -> list[Candidate]:
    found = candidates(work_dir)
    if (work_dir / MODEL).is_dir():
        return found
    first = begins_at(work_dir, resume)
    return [one for one in found if one.step <= first]


def _unfinished(found: Candidate, question: Question, harness: Harness) -> list[str]:
    """The benchmarks whose answers are not complete."""
    return [name for name in question.benchmarks if not _is_finished(found, name, question.limit, harness)]


def _is_finished(found: Candidate, benchmark: str, limit: int | None, harness: Harness) -> bool:
    """Whether the answers are complete, and this model's: a model trained again is younger than they are."""
    folder = found.run(benchmark)
    try:
        results = harness.open_run(folder).results
    except RunFolderError:
        return False
    config = found.model / "config.json"
    older = not config.exists() or config.stat().st_mtime <= (folder / "results.json").stat().st_mtime
    return bool(results["complete"] and results["limit"] == limit and older)


def _ask(question: Question, left: Mapping[Candidate, Sequence[str]]) -> int:
    """Run what is left of each candidate; the highest exit code. Ctrl-C ends all of it."""
    worst = 0
    for found, benchmarks in left.items():
        for command in question.commands(found, benchmarks) if benchmarks else ():
            code = ask(command)
            if code == INTERRUPTED:
                return code
            worst = max(worst, code)
    return worst


def _report(
    work_dir: Path,
    found: Sequence[Candidate],
    benchmarks: Sequence[str],
    harness: Harness,
    tell: Callable[[str], None],
) -> None:
    """Write the scores to the log and the model card, and choose the best checkpoint."""
    from vlmbench.trainers.training.card import add_results

    values = {(one.step, name): _value(one, name, harness) for one in found for name in benchmarks}
    log_values(work_dir, values.values())
    final = found[-1]
    add_results(final.model, results_text([values[final.step, name] for name in benchmarks]))
    for value in values.values():
        tell(f"step {value.step}: {value.benchmark} {value.text} ({value.run})")
    if len(found) > 1:
        first = benchmarks[0]
        _choose(work_dir, first, [(one, values[one.step, first]) for one in found], harness, tell)


def _choose(
    work_dir: Path,
    benchmark: str,
    rivals: Sequence[tuple[Candidate, Value]],
    harness: Harness,
    tell: Callable[[str], None],
) -> None:
    """Choose the best on one benchmark; the other checkpoints are removed, the finished model stays."""

    def difference(first: Value, second: Value) -> Difference:
        return harness.difference(harness.open_run(first.run), harness.open_run(second.run))

    choice = choose(rivals, difference)
    write_best(work_dir, benchmark, choice)
    best = choice.best.candidate
    tell(f"best on {benchmark}: step {best.step} in {best.model}, {reason(choice)}")
    for one, _ in rivals[:-1]:
        if one.model != best.model:
            shutil.rmtree(one.model, ignore_errors=True)


def _value(found: Candidate, benchmark: str, harness: Harness) -> Value:
    results = harness.open_run(found.run(benchmark)).results
    figure = results["headline"]
    return Value(
        step=found.step,
        benchmark=results["benchmark"],
        value=figure["value"],
        ci95=figure["ci95"] and tuple(figure["ci95"]),
        n=figure["n"],
        name=figure["name"],
        unit=figure["unit"],
        run=found.run(benchmark),
    )


def _finished_model(work_dir: Path) -> Candidate:
    from vlmbench.trainers.training.card import FACTS

    model = work_dir / MODEL
    facts = json.loads((model / FACTS).read_text("utf-8"))
    return Candidate(step=int(facts.get("steps") or 0), model=model, work_dir=work_dir)
