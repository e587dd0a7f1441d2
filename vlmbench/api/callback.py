"""`vlmbench.VlmbenchCallback`: benchmarks while transformers' Trainer, or TRL's SFTTrainer, trains.

    trainer.add_callback(VlmbenchCallback(["MMBench_DEV_EN"], every_steps=500, limit=200))

The training is the same to the last bit with and without it: the model's mode and buffers, requires_grad and
every random state are afterwards what they were, and the Trainer's running averages are left alone.
"""

from __future__ import annotations

import logging
import sys
import weakref
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

from transformers import TrainerCallback

from vlmbench.api.run.benchmark_data import AnyBenchmark, DataOptions, benchmarks_of, open_data
from vlmbench.api.run.decoding import AnyDecoding, decoding_choice
from vlmbench.api.run.model_opening import ModelOptions
from vlmbench.api.run.runs import RunRequest, run_benchmark
from vlmbench.domain import Benchmark, Model, Run
from vlmbench.draws import only_one_answer
from vlmbench.engine.status import SilentProgress
from vlmbench.errors import SpecChanged, UsageError, UserError
from vlmbench.models.given import model_of
from vlmbench.models.hf.borrowed import random_states_kept
from vlmbench.terminal.screen import silence

_log = logging.getLogger("vlmbench")


class VlmbenchCallback(TrainerCallback):
    """Evaluates every so many steps and at the end, and logs the figures wherever the Trainer logs.

    Each benchmark gives `vlmbench/NAME`, its headline (mostly a fraction), and `vlmbench/NAME_stderr`. Run
    folders are OUT/step-N/NAME. Of several ranks the first evaluates and the others wait, without a timeout.
    """

    def __init__(
        self,
        benchmarks: AnyBenchmark | Sequence[AnyBenchmark],
        every_steps: int | None = None,
        limit: int | None = None,
        at_end: bool = True,
        out: str | Path | None = None,
        *,
        decoding: AnyDecoding | None = None,
        samples: int = 1,
        processor: Any = None,
        strict: bool = False,
    ) -> None:
        """Nothing is opened yet; what is missing is found when the training begins, before its first step.

        `limit` asks that many groups of rows, spread over the categories. Without `out`, run folders are in
        vlmbench/ of the Trainer's output_dir. `decoding` and `samples` are as in `evaluate`. `processor` is
        for a Trainer whose processing_class reads no pictures. A failed evaluation is logged and the training
        goes on; with `strict` it ends the training.
        """
        for key, value in (("every_steps", every_steps), ("limit", limit), ("samples", samples)):
            if value is not None and value < 1:
                raise UsageError(f"`{value}` is not a whole number from 1.", key=key)
        if every_steps is None and not at_end:
            raise UsageError(
                "nothing would ever be evaluated.", key="every_steps", fix="Give a number of steps."
            )
        self._named = benchmarks
        self._every, self._limit, self._at_end, self._strict = every_steps, limit, at_end, strict
        self._out, self._processor = out, processor
        self._decoding, self._samples = decoding_choice(decoding).checked(), samples
        if samples > 1 and self._decoding.is_greedy:
            raise only_one_answer(samples)
        self._benchmarks: list[Benchmark] = []
        self._ranks = RankZero()
        self._trainer: Any = None
        self._evaluated = -1

    def on_train_begin(self, args: Any, state: Any, control: Any, **around: Any) -> None:
        """Open every benchmark and the model once, so that what is missing ends the training here."""
        self._trainer = weakref.ref(trainer_above(sys._getframe(1)))
        self._evaluated = -1
        self._ranks.open()
        with random_states_kept():
            self._ranks.do(lambda: self._check(around))

    def on_step_end(self, args: Any, state: Any, control: Any, **around: Any) -> None:
        """Evaluate where a step is due, or was the last."""
        step = state.global_step
        # At the end of the training the trackers are closed; the last step is before that.
        last = self._at_end and step >= state.max_steps and not args.load_best_model_at_end
        if last or (self._every is not None and step % self._every == 0):
            self._evaluate(f"step-{step}", args, state, control, around)

    def on_train_end(self, args: Any, state: Any, control: Any, **around: Any) -> None:
        """Evaluate a model that stopped early, or the best one where the Trainer has loaded it."""
        best = args.load_best_model_at_end and state.best_model_checkpoint is not None
        if self._at_end and (best or self._evaluated != state.global_step):
            self._evaluate("best" if best else f"step-{state.global_step}", args, state, control, around)
        self._ranks.close()

    def _check(self, around: dict[str, Any]) -> None:
        self._benchmarks = benchmarks_of(self._named, plugins=(), limited=self._limit is not None)
        for benchmark in self._benchmarks:
            open_data(benchmark, DataOptions(), limit=self._limit)
        self._model(around, "check")

    def _evaluate(self, name: str, args: Any, state: Any, control: Any, around: dict[str, Any]) -> None:
        logs: dict[str, float] = {}
        folder = Path(self._out or Path(args.output_dir) / "vlmbench") / name
        called = f"{Path(args.output_dir).name}-{name}"
        with random_states_kept():
            self._ranks.do(lambda: logs.update(self._figures(folder, called, around)))
            if logs:
                self._log_to_trainer(logs, control)
        self._evaluated = state.global_step

    def _figures(self, folder: Path, called: str, around: dict[str, Any]) -> dict[str, float]:
        logs: dict[str, float] = {}
        models: dict[str, Model] = {}
        for benchmark in self._benchmarks:
            try:
                models = models or {called: self._model(around, called)}
                run = self._run(benchmark, folder / benchmark.card.name, called, models)
                logs |= figures_of(run)
            # Whatever it is: hours of training are worth more than one figure.
            except Exception as error:
                if self._strict:
                    raise
                shown = None if isinstance(error, UserError) else error
                _log.error("%s was not evaluated: %s", benchmark.card.name, error, exc_info=shown)
        return logs

    def _run(self, benchmark: Benchmark, folder: Path, called: str, models: dict[str, Model]) -> Run:
        def run(*, fresh: bool) -> Run:
            request = RunRequest(
                model=ModelOptions(name=called),
                limit=self._limit,
                decoding=self._decoding,
                samples=self._samples,
                out=folder,
                fresh=fresh,
                command=("vlmbench.VlmbenchCallback", benchmark.card.name),
            )
            with silence():
                return run_benchmark(request, benchmark, models, SilentProgress()).run

        try:
            return run(fresh=False)
        except SpecChanged:
            # Left by an earlier training in this folder; after a resume with the same weights it is kept.
            return run(fresh=True)

    def _model(self, around: dict[str, Any], called: str) -> Model:
        processor = self._processor or around.get("processing_class")
        if not hasattr(processor, "image_processor"):
            raise UsageError(
                f"the Trainer's processing_class is a {type(processor).__name__}, which reads no pictures.",
                fix="Give the model's own: VlmbenchCallback(…, processor=AutoProcessor.from_pretrained(…)).",
            )
        return model_of((around["model"], processor), name=called)

    def _log_to_trainer(self, logs: dict[str, float], control: Any) -> None:
        from transformers import Trainer

        trainer = self._trainer()
        wanted = control.should_log
        # Not the subclass's own `log`: SFTTrainer's would empty the averages of the steps since its last one.
        Trainer.log(trainer, logs)
        # A log is done with, the Trainer thinks; its own of this step is still to come.
        control.should_log = trainer.control.should_log = wanted


def figures_of(run: Run) -> dict[str, float]:
    """The headline of a run and its standard error, as the Trainer logs them."""
    name, metric = run.card.name, run.metrics[run.spec.rules][0]
    if run.errors:
        _log.warning("%s: %d of %d rows failed", name, run.errors, len(run.samples))
    if metric.value is None:
        _log.warning("%s has no figure: no row could be scored", name)
        return {}
    error = {} if metric.stderr is None else {f"vlmbench/{name}_stderr": metric.stderr}
    return {f"vlmbench/{name}": metric.value, **error}


def trainer_above(frame: FrameType | None) -> Any:
    """The Trainer among the callers: it hands its callbacks everything but itself."""
    from transformers import Trainer

    while frame is not None:
        if isinstance(trainer := frame.f_locals.get("self"), Trainer):
            return trainer
        frame = frame.f_back
    raise UsageError("VlmbenchCallback works inside a transformers.Trainer.")


_PATIENCE = timedelta(days=365)
"""A benchmark may take longer than a training's collectives may; a rank that dies ends the wait at once."""


class RankZero:
    """Waits in a gloo group of its own, so that the training's timeout does not count."""

    def __init__(self) -> None:
        self._group: Any = None

    def open(self) -> None:
        """Called on every rank; nothing where there is one process."""
        import torch.distributed as dist

        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            self._group = dist.new_group(backend="gloo", timeout=_PATIENCE)

    def close(self) -> None:
        """Called on every rank."""
        import torch.distributed as dist

        if self._group is not None:
            dist.destroy_process_group(self._group)
            self._group = None

    def do(self, work: Callable[[], object]) -> None:
        """Do it on rank 0. Every rank returns once it is done there, or raises if it failed there."""
        import torch.distributed as dist

        if self._group is None:
            work()
            return
        failure: Exception | None = None
        if dist.get_rank() == 0:
            try:
                work()
            except Exception as error:  # raised below, once the other ranks know
                failure = error
        outcome = [None if failure is None else f"{type(failure).__name__}: {failure}"]
        dist.broadcast_object_list(outcome, src=0, group=self._group)
        if failure is not None:
            raise failure
        if outcome[0] is not None:
            raise UserError(f"rank 0 could not evaluate: {outcome[0]}")
