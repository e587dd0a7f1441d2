"""The stages of a chain in order, each on as many processes as it needs, each followed by its evaluation.

The process that a user starts goes through every stage. For a stage on several processes it starts torchrun's
workers, and for each checkpoint that is evaluated one process that exports it: both run this same request
again, with `stage` and `candidate` set.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from vlmbench.errors import UnknownName, UsageError, UserError
from vlmbench.model_files.foreign_output import LIBRARIES, foreign_output
from vlmbench.trainers.chain import StageRecord, placed, training
from vlmbench.trainers.devices import check_deepspeed_file
from vlmbench.trainers.evaluation import EvaluationTask, candidate, make
from vlmbench.trainers.evaluation.asking import INTERRUPTED
from vlmbench.trainers.plan.missing import missing
from vlmbench.trainers.recipe.how_asked import HowAsked
from vlmbench.trainers.recipe.model import Chain, Evaluation, Recipe
from vlmbench.trainers.topology import check_addresses
from vlmbench.trainers.training import Saved, train
from vlmbench.trainers.training.handoff import done_by_first, mark_of, wait_for_first
from vlmbench.trainers.training.job import MODEL
from vlmbench.trainers.training.launch import adopt, launch, launched, needed

from .before_training import model_before
from .evaluation import CheckpointEvaluator
from .request import LATEST, Harness, TrainingRequest

Placed = tuple[Recipe, Path]
"""A recipe with its work folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """How the pipeline ended."""

    code: int
    """An exit code: 0, or that of the first process that failed."""
    models: Mapping[str, Path] = field(default_factory=dict)
    """The finished model of each stage, in order; empty unless this process is the one that reports."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """Trains what a request asks for, evaluates it and chooses the best checkpoint."""

    request: TrainingRequest
    harness: Harness
    say: Callable[[str], None]
    """Receives one line for the user at a time."""

    def run(self, chain: Chain) -> PipelineResult:
        """Train every stage that is not finished; every process of a distributed run calls this."""
        request = self.request
        if request.stage is None:
            adopt(os.environ)
            if not launched(os.environ):
                check_addresses(os.environ, request.topology().nnodes)
        stages = placed(chain, request.work_dir)
        _check_resume(request.resume, stages)
        if request.candidate is not None:
            recipe, work_dir = _stage_named(stages, request.stage or "")
            make(candidate(work_dir, request.candidate), recipe)
            return PipelineResult(code=0)
        if request.stage is not None:
            return PipelineResult(code=self._train_here(*_stage_named(stages, request.stage)))
        code = self._with_known_benchmarks(chain)._run_stages(chain, stages)
        if code != 0 or not request.is_first_process:
            return PipelineResult(code=code)
        return PipelineResult(code=0, models={recipe.name: work_dir / MODEL for recipe, work_dir in stages})

    def _with_known_benchmarks(self, chain: Chain) -> Pipeline:
        """The same with suites as their benchmarks; a name that nobody knows is refused before training."""
        asked = self.request.evaluation
        if asked.every is not None and not asked.benchmarks:
            raise UsageError("names no benchmark to ask.", key="--eval-every", fix="Add --eval NAME.")
        if asked.how.flags and not asked.benchmarks:
            raise UsageError("names no benchmark to ask.", key=asked.how.flags[0], fix="Add --eval NAME.")
        self.harness.check_how(asked.how)
        known = replace(asked, benchmarks=tuple(self.harness.benchmarks(asked.benchmarks)))
        for stage in chain.stages:
            if isinstance(stage, Evaluation):
                self.harness.benchmarks(stage.evaluate)
                self._check_stage(chain.name, stage)
        return replace(self, request=replace(self.request, evaluation=known))

    def _check_stage(self, chain: str, stage: Evaluation) -> None:
        try:
            self.harness.check_how(stage)
        except UserError as error:
            place = f"evaluate: {', '.join(stage.evaluate)}"
            raise UserError(f"{error.what} ({place})", file=chain, key=error.key, fix=error.fix) from None

    def _run_stages(self, chain: Chain, stages: Sequence[Placed]) -> int:
        """Every stage in order, then the evaluation that the request asks for."""
        folders = {recipe.name: (recipe, work_dir) for recipe, work_dir in stages}
        here, record = stages[0], None
        for place, stage in enumerate(chain.stages):
            if isinstance(stage, Evaluation):
                what: dict[str, Any] = {"benchmarks": list(stage.evaluate), "limit": stage.limit, **stage.how}
                do = partial(self._evaluate, here, stage.evaluate, stage.limit, stage)
            else:
                here = folders[stage.name]
                record = training(*here, record)
                what = {"stage": stage.name}
                do = partial(self._train_stage, record, here)
            last = all(isinstance(later, Evaluation) for later in chain.stages[place + 1 :])
            alone = last or self.request.is_only_process
            code = do() if alone else self._in_step(here[1], {**what, "place": place}, do)
            if code != 0:
                return code
        asked = self.request.evaluation
        if not asked.benchmarks:
            return 0
        return self._evaluate(here, asked.benchmarks, asked.limit, asked.how)

    def _in_step(self, work_dir: Path, what: Mapping[str, Any], do: Callable[[], int]) -> int:
        """Do it on every process; the others wait until the first, which alone evaluates, is done too."""

        def of_this_model() -> dict[str, Any]:
            config = work_dir / MODEL / "config.json"
            return {**what, "model": config.stat().st_mtime_ns if config.exists() else None}

        mark = mark_of(work_dir, what["place"])
        if self.request.is_first_process:
            return done_by_first(mark, of_this_model, do)
        return do() or wait_for_first(mark, of_this_model)

    def _train_stage(self, record: StageRecord, here: Placed) -> int:
        """Train one stage unless it is finished, and record that it is."""
        _, work_dir = here
        if (work_dir / MODEL).is_dir() and record.finished():
            if self.request.is_first_process:
                self.say(f"{record.name} was finished before, in {work_dir}")
            return 0
        code = self._train_on_all(*here)
        if code == 0 and self.request.is_first_process:
            record.finish()
        return code

    def _train_on_all(self, recipe: Recipe, work_dir: Path) -> int:
        """Train in this process, or start one for each device."""
        topology = self.request.topology(recipe.parallelism.processes)
        if launched(os.environ) or (work_dir / MODEL).is_dir():
            return self._train_here(recipe, work_dir)
        _check_nothing_is_missing(recipe, topology.nproc, work_dir)
        check_deepspeed_file(recipe, topology.size)
        if not needed(recipe, topology):
            return self._train_here(recipe, work_dir)
        command = [*self.request.stage_command(recipe.name), *self.request.evaluation_flags()]
        logs = work_dir / "ranks" if self.request.quiet else None
        return launch(command, topology, cpu=recipe.parallelism.device == "cpu", logs=logs)

    def _train_here(self, recipe: Recipe, work_dir: Path) -> int:
        """Train in this process."""
        resume = _resume_in(self.request.resume, work_dir)
        try:
            with (
                foreign_output(work_dir / LIBRARIES),
                self._evaluated_meanwhile(recipe, work_dir, resume) as on_checkpoint,
            ):
                train(
                    recipe,
                    work_dir=work_dir,
                    resume=resume,
                    tracker=self.request.tracker,
                    on_checkpoint=on_checkpoint,
                )
        except Exception:
            if (work_dir / LIBRARIES).exists() and self.request.is_first_process:
                self.say(f"what libraries wrote: {work_dir / LIBRARIES}")
            raise
        except KeyboardInterrupt:
            # Of all processes of a run, one reports the interruption.
            if self.request.stage is None and self.request.is_first_process:
                raise
            return INTERRUPTED
        return 0

    def _evaluated_meanwhile(
        self, recipe: Recipe, work_dir: Path, resume: Path | Literal["latest"] | None
    ) -> AbstractContextManager[Callable[[Saved], None] | None]:
        """What training calls with each checkpoint; None where none is evaluated on the way."""
        asked = self.request.evaluation
        if not asked.benchmarks or not asked.every or not self.request.is_first_process:
            return contextlib.nullcontext()
        evaluator = self._evaluator((recipe, work_dir), asked.benchmarks, asked.limit, asked.how)
        return evaluator.during_training(asked.every, resume)

    def _evaluate(self, here: Placed, names: Sequence[str], limit: int | None, how: HowAsked) -> int:
        """Ask the finished model and the checkpoints kept on its way; the first process does it."""
        if not self.request.is_first_process:
            return 0
        return self._evaluator(here, self.harness.benchmarks(names), limit, how).after_training()

    def _evaluator(
        self, here: Placed, benchmarks: Sequence[str], limit: int | None, how: HowAsked
    ) -> CheckpointEvaluator:
        recipe, work_dir = here
        question = EvaluationTask(
            benchmarks=tuple(benchmarks),
            limit=limit,
            flags=("--device", self.request.evaluation.device),
            how=how,
            maker=(*self.request.stage_command(recipe.name), "--candidate"),
        )
        return CheckpointEvaluator(
            question=question,
            harness=self.harness,
            work_dir=work_dir,
            before=model_before(recipe, work_dir),
            say=self.say,
            quiet=self.request.quiet,
        )


def _stage_named(stages: Sequence[Placed], name: str) -> Placed:
    found = {recipe.name: (recipe, work_dir) for recipe, work_dir in stages}
    if name not in found:
        raise UnknownName("stage", name, found)
    return found[name]


def _check_nothing_is_missing(recipe: Recipe, nproc: int, work_dir: Path) -> None:
    """Name everything that is missing at once, before any process is started."""
    if things := missing(recipe, nproc, work_dir):
        listed = "; ".join(f"{one.what} ({one.fix})" for one in things)
        raise UserError(f"{recipe.name} cannot be trained yet. Missing: {listed}.")


def _check_resume(resume: str | None, stages: Sequence[Placed]) -> None:
    """Refuse a checkpoint that belongs to none of the stages: every stage would ignore it."""
    if resume in (None, LATEST) or any(_checkpoint_in(resume, folder) for _, folder in stages):
        return
    folders = ", ".join(str(folder) for _, folder in stages)
    raise UserError(
        f"is not a checkpoint of this training, whose checkpoints are in {folders}.",
        file=resume,
        fix=f"--work-dir {Path(resume).parent} resumes it; --resume alone continues from the last one here.",
    )


def _resume_in(resume: str | None, work_dir: Path) -> Path | Literal["latest"] | None:
    """Where this stage resumes: a checkpoint is of one stage of a chain, the others resume from their own."""
    if resume is None:
        return None
    return LATEST if resume == LATEST else _checkpoint_in(resume, work_dir) or LATEST


def _checkpoint_in(named: str, work_dir: Path) -> Path | None:
    """The checkpoint, if it lies in this work folder, whatever path or link leads there."""
    path, folder = Path(named).expanduser(), work_dir.expanduser().resolve()
    if path.resolve().parent == folder:
        return path.resolve()
    # It may lie on another disk, with a link to it in the work folder.
    within = path.parent.resolve() == folder
    return folder / path.name if within else None
