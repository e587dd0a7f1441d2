"""What a user asked of `vlmbench train`, and what the pipeline needs from the floors above it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vlmbench.finished import FinishedRun
from vlmbench.stats import Difference
from vlmbench.trainers.devices import preset_name, zero_of
from vlmbench.trainers.recipe.how_asked import HowAsked
from vlmbench.trainers.recipe.loading import read
from vlmbench.trainers.recipe.model import Chain
from vlmbench.trainers.topology import Topology, read_topology
from vlmbench.trainers.training.job import Tracker

LATEST: Final = "latest"
"""`TrainingRequest.resume`: the newest whole checkpoint of each stage's own work folder, if there is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRequest:
    """Which benchmarks the trained model and its checkpoints are asked."""

    benchmarks: tuple[str, ...] = ()
    """Benchmarks, suites and tables; none: nothing is evaluated."""
    every: int | None = None
    """Optimizer steps between checkpoints that are evaluated too; None: the finished model alone."""
    limit: int | None = None
    """Whole groups of questions; None: all."""
    device: str = "auto"
    """Of the processes that evaluate."""
    how: HowAsked = field(default_factory=HowAsked)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """One `vlmbench train`."""

    recipe: str
    """The name of a shipped recipe, or a YAML file."""
    settings: tuple[str, ...] = ()
    """`schedule.lr=1e-4`, as typed."""
    work_dir: Path | None = None
    """Of the last stage; None: work_dirs/RECIPE."""
    seed: int | None = None
    resume: str | None = None
    """A checkpoint, or `LATEST`; None: from the first step."""
    deepspeed: str | None = None
    """A preset or a JSON file; None: the recipe's."""
    tracker: Tracker | None = None
    nproc: int | None = None
    """Processes on each machine; None: from the environment or the recipe. Likewise machines."""
    nnodes: int | None = None
    evaluation: EvaluationRequest = field(default_factory=EvaluationRequest)
    stage: str | None = None
    """The one stage that this process trains, as one that the pipeline started; None: all of them."""
    candidate: int | None = None
    """The step of a checkpoint of `stage` that this process exports as a model, in place of training."""
    quiet: bool = False
    """Whether other processes write into the work folder, evaluation.log and ranks/, and not to stderr."""

    def topology(self, processes: int = 1) -> Topology:
        """Processes and machines; `processes` where neither request nor environment has a number."""
        return read_topology(os.environ, processes=processes, nproc=self.nproc, nnodes=self.nnodes)

    @property
    def is_first_process(self) -> bool:
        """Whether this process evaluates and reports: rank 0, or before ranks exist the first machine."""
        if "RANK" in os.environ:
            return os.environ["RANK"] == "0"
        return self.topology().node_rank == 0

    @property
    def is_only_process(self) -> bool:
        """Whether no other process goes through the same stages."""
        if "RANK" in os.environ:
            return int(os.environ.get("WORLD_SIZE", "1")) == 1
        return self.topology().nnodes == 1

    def stage_command(self, stage: str) -> list[str]:
        """Arguments for Python: this request again, for one stage and without evaluation."""
        command = ["-m", "vlmbench", "train", self.recipe, "--stage", stage]
        for setting in self.settings:
            command += ["--set", setting]
        flags = {
            "--work-dir": self.work_dir,
            "--seed": self.seed,
            "--resume": self.resume,
            "--deepspeed": self.deepspeed,
            "--log": self.tracker,
        }
        return command + _given(flags)

    def evaluation_flags(self) -> list[str]:
        """The flags of `vlmbench train` that ask for the same evaluation."""
        asked = self.evaluation
        if not asked.benchmarks:
            return []
        flags = ["--eval", *asked.benchmarks, "--eval-device", asked.device, *asked.how.flags]
        return flags + _given({"--eval-every": asked.every, "--eval-limit": asked.limit})


@dataclass(frozen=True, slots=True, kw_only=True)
class Harness:
    """The evaluation harness, which stands on higher floors: the caller of the pipeline hands it in."""

    benchmarks: Callable[[Sequence[str]], list[str]]
    """Suites as their benchmarks, tables and names as they are; raises UnknownName."""
    check_how: Callable[[HowAsked], None]
    """Raises a UserError where benchmarks cannot be asked like this."""
    open_run: Callable[[Path], FinishedRun]
    """A run folder; raises RunFolderError where it holds no finished run."""
    run_folder: Callable[[str, str], Path]
    """Where `vlmbench run --model MODEL --bench BENCH` leaves its run."""
    difference: Callable[[FinishedRun, FinishedRun], Difference]
    """The paired test of the first against the second."""


def read_chain(request: TrainingRequest) -> Chain:
    """The recipe's chain with every setting of the request applied."""
    settings = list(request.settings)
    if request.seed is not None:
        settings.append(f"seed={request.seed}")
    if request.deepspeed is not None:
        name = preset_name(request.deepspeed)
        zero_of(name)
        settings.append(f"parallelism.deepspeed={name}")
    return read(request.recipe, settings)


def _given(flags: Mapping[str, object]) -> list[str]:
    """Flags with their values, those that are None left out."""
    return [part for flag, value in flags.items() if value is not None for part in (flag, str(value))]
