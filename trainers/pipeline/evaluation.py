"""Checkpoints evaluated during training and after it, and the best of them chosen by a paired test.

Each evaluation is a `vlmbench run` in a process of its own, which resumes where it was stopped. Scores go
into metrics.jsonl, the model card and run folders under WORK_DIR/runs; the choice into best.json.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from vlmbench.errors import RunFolderError
from vlmbench.files.json_files import read_object
from vlmbench.finished import FinishedRun
from vlmbench.stats import Difference
from vlmbench.trainers.evaluation import (
    Candidate,
    EvaluationQueue,
    EvaluationTask,
    Value,
    candidate,
    candidates,
    choose,
    keep,
)
from vlmbench.trainers.evaluation.asking import INTERRUPTED, ask
from vlmbench.trainers.evaluation.choosing import is_logged, log_values, reason, results_text, write_best
from vlmbench.trainers.training import Saved
from vlmbench.trainers.training.checkpoints import begins_at
from vlmbench.trainers.training.job import MODEL

from .before_training import folders_before, is_alike
from .request import Harness


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointEvaluator:
    """Evaluates the checkpoints of one work folder, the finished model among them, on the same benchmarks."""

    question: EvaluationTask
    harness: Harness
    work_dir: Path
    before: Candidate | None
    """The model that training starts from, where it can be asked; it is no rival for the best."""
    say: Callable[[str], None]
    """Receives one line for the user at a time."""
    quiet: bool = False
    """Whether what processes write goes into the log after training too, not to stderr."""

    @property
    def log(self) -> Path:
        """What the processes that evaluate during training write."""
        return self.work_dir / "evaluation.log"

    @contextlib.contextmanager
    def during_training(
        self, every: int, resume: Path | Literal["latest"] | None
    ) -> Iterator[Callable[[Saved], None]]:
        """Yield what training calls with each checkpoint it wrote; return when all of them are evaluated.

        Candidates after the checkpoint that training resumes from are not evaluated: training removes them.
        """
        asker = EvaluationQueue(self.question, self.log)
        for kept in self._still_valid(resume):
            if self._unfinished(kept):
                asker.add(kept)

        def saved(checkpoint: Saved) -> None:
            known = [kept.step for kept in candidates(self.work_dir)]
            if checkpoint.last or checkpoint.step - max(known, default=0) < every:
                return
            kept = candidate(self.work_dir, checkpoint.step)
            keep(kept, checkpoint.folder)
            asker.add(kept)

        try:
            yield saved
            asker.wait()
        finally:
            asker.stop()

    def after_training(self) -> int:
        """Evaluate the finished model and every checkpoint kept on its way; the highest exit code of all."""
        final = _finished_model(self.work_dir)
        found = [*candidates(self.work_dir), final]
        left = {one: self._unfinished(one) for one in found}
        if code := self._ask(left):
            return code
        if self._ask_before(final) == INTERRUPTED:
            return INTERRUPTED
        values = [self._value(0, run) for run in self._runs_before(final) if run is not None]
        names = [self._value(final.step, final.run(one)).benchmark for one in self.question.benchmarks]
        new = not is_logged(self.work_dir, 0, [value.benchmark for value in values])
        if any(left.values()) or new or not is_logged(self.work_dir, final.step, names):
            self._report(found, values)
        return 0

    def _ask_before(self, final: Candidate) -> int:
        """Ask the model before training what no run of it has answered; training is finished all the same."""
        runs = zip(self.question.benchmarks, self._runs_before(final), strict=True)
        left = [benchmark for benchmark, run in runs if run is None]
        if self.before is None or not left:
            return 0
        code = self._ask({self.before: left})
        if code not in (0, INTERRUPTED):
            self.say("the model before training could not be evaluated: its scores have no point at step 0")
        return code

    def _runs_before(self, final: Candidate) -> list[Path | None]:
        """For each benchmark, a finished run of the model before training that was asked as `final` was."""
        return [self._run_before(benchmark, final) for benchmark in self.question.benchmarks]

    def _run_before(self, benchmark: str, final: Candidate) -> Path | None:
        if self.before is None or final.step == 0:
            return None
        trained = self.harness.open_run(final.run(benchmark))
        for folder in folders_before(self.before, benchmark, self.harness):
            run = self._finished(folder, self.before.model)
            if run is not None and is_alike(run, trained):
                return folder
        return None

    def _still_valid(self, resume: Path | Literal["latest"] | None) -> list[Candidate]:
        found = candidates(self.work_dir)
        if (self.work_dir / MODEL).is_dir():
            return found
        first = begins_at(self.work_dir, resume)
        return [one for one in found if one.step <= first]

    def _unfinished(self, found: Candidate) -> list[str]:
        """The benchmarks whose answers are not complete."""
        return [name for name in self.question.benchmarks if not self._is_finished(found, name)]

    def _is_finished(self, found: Candidate, benchmark: str) -> bool:
        return self._finished(found.run(benchmark), found.model) is not None

    def _finished(self, folder: Path, model: Path) -> FinishedRun | None:
        """The run, if it is complete and this model's: a model trained again is younger than its answers."""
        try:
            run = self.harness.open_run(folder)
        except RunFolderError:
            return None
        results, command = run.results, run.sittings[-1].get("command", ())
        # A run that was asked otherwise is not this one: `vlmbench run` says what differs and how to go on.
        alike = self.question.how.is_of([str(word) for word in command])
        config = model / "config.json"
        older = not config.exists() or config.stat().st_mtime <= (folder / "results.json").stat().st_mtime
        complete = results["complete"] and results["limit"] == self.question.limit
        return run if complete and older and alike else None

    def _ask(self, left: Mapping[Candidate, Sequence[str]]) -> int:
        """Run what is left of each candidate; the highest exit code. Ctrl-C ends all of it."""
        worst = 0
        for found, benchmarks in left.items():
            for command in self.question.commands(found, benchmarks) if benchmarks else ():
                code = ask(command, self.log if self.quiet else None)
                if code == INTERRUPTED:
                    return code
                worst = max(worst, code)
        return worst

    def _report(self, found: Sequence[Candidate], before: Sequence[Value]) -> None:
        """Write the scores to the log and the model card, and choose the best checkpoint."""
        from vlmbench.trainers.training.card import add_results

        benchmarks, final = self.question.benchmarks, found[-1]
        values = {
            (one.step, name): self._value(one.step, one.run(name)) for one in found for name in benchmarks
        }
        log_values(self.work_dir, [*before, *values.values()])
        add_results(final.model, results_text([values[final.step, name] for name in benchmarks]))
        for value in before:
            self.say(f"before training: {value.benchmark} {value.text} ({value.run})")
        for value in values.values():
            self.say(f"step {value.step}: {value.benchmark} {value.text} ({value.run})")
        if len(found) > 1:
            self._choose([(one, values[one.step, benchmarks[0]]) for one in found])

    def _choose(self, rivals: Sequence[tuple[Candidate, Value]]) -> None:
        """Choose the best on the first benchmark; of the others only the finished model stays."""
        benchmark = self.question.benchmarks[0]
        choice = choose(rivals, self._difference)
        write_best(self.work_dir, benchmark, choice)
        best = choice.best.candidate
        self.say(f"best on {benchmark}: step {best.step} in {best.model}, {reason(choice)}")
        for one, _ in rivals[:-1]:
            if one.model != best.model:
                shutil.rmtree(one.model, ignore_errors=True)

    def _difference(self, first: Value, second: Value) -> Difference:
        return self.harness.difference(self.harness.open_run(first.run), self.harness.open_run(second.run))

    def _value(self, step: int, run: Path) -> Value:
        results = self.harness.open_run(run).results
        figure = results["headline"]
        return Value(
            step=step,
            benchmark=results["benchmark"],
            value=figure["value"],
            ci95=figure["ci95"] and tuple(figure["ci95"]),
            n=figure["n"],
            name=figure["name"],
            unit=figure["unit"],
            run=run,
        )


def _finished_model(work_dir: Path) -> Candidate:
    from vlmbench.trainers.training.card import FACTS

    model = work_dir / MODEL
    facts = read_object(model / FACTS)
    return Candidate(step=int(facts.get("steps") or 0), model=model, work_dir=work_dir)
