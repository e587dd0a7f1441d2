"""Checkpoints that are evaluated: their weights, then their models, and the figures of their runs.

The other ranks wait while rank 0 keeps the weights, so it makes a hard link and no copy. A process of its own
makes the model: in the training's process that would draw random numbers on which the training counts.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from vlmbench.files.atomic import atomic_folder
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.job import CANDIDATES, RUNS

_MODEL, _TRAINED = "step-", "trained-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint to be evaluated."""

    step: int
    model: Path
    work_dir: Path
    before: bool = False
    """The model before training: `model` is what the recipe names, which may be no folder."""

    @property
    def trained(self) -> Path:
        """Where its trained parameters are kept until it is a model."""
        return self.model.with_name(f"{_TRAINED}{self.step}")

    def run(self, benchmark: str) -> Path:
        """The run folder of a benchmark."""
        name = f"{_MODEL}{self.step}" if self.before else self.model.name
        return self.work_dir / RUNS / name / table_name(benchmark)


def candidate(work_dir: Path, step: int) -> Candidate:
    """The candidate of that step, whether or not it is there."""
    return Candidate(step=step, model=work_dir / CANDIDATES / f"{_MODEL}{step}", work_dir=work_dir)


def candidates(work_dir: Path) -> list[Candidate]:
    """All that were kept during training, by step, as models or as parameters."""
    names = [folder.name for folder in (work_dir / CANDIDATES).glob("*-*")]
    steps = {
        int(name[len(prefix) :])
        for name in names
        for prefix in (_MODEL, _TRAINED)
        if name.startswith(prefix) and name[len(prefix) :].isdigit()
    }
    return [candidate(work_dir, step) for step in sorted(steps)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """The headline of one run of a candidate."""

    step: int
    benchmark: str
    value: float | None
    ci95: tuple[float, float] | None
    n: int
    name: str
    run: Path
    unit: str = "fraction"

    @property
    def text(self) -> str:
        """The figure with its unit."""
        if self.value is None:
            return "no score"
        return self.plain(self.value) + (" %" if self.unit == "fraction" else "")

    def plain(self, figure: float) -> str:
        """In per cent for a fraction, else as it is."""
        return f"{figure * 100:.1f}" if self.unit == "fraction" else f"{figure:.1f}"


def table_name(benchmark: str) -> str:
    """The name of a benchmark, or of the one that a table is."""
    return Path(benchmark).stem if benchmark.endswith(".tsv") else benchmark


def keep(found: Candidate, checkpoint: Path) -> None:
    """Keep the trained parameters of a checkpoint, which may be removed later."""
    from vlmbench.trainers.training.checkpoints import TRAINED

    with atomic_folder(found.trained) as aside:
        try:
            os.link(checkpoint / TRAINED, aside / TRAINED)
        except OSError:
            shutil.copyfile(checkpoint / TRAINED, aside / TRAINED)


def make(found: Candidate, recipe: Recipe) -> Path:
    """Make the candidate a model and remove its kept parameters; returns the model's folder."""
    from vlmbench.trainers.training import export

    if not found.model.is_dir():
        export(recipe, found.trained, found.model, work_dir=found.work_dir)
    shutil.rmtree(found.trained, ignore_errors=True)
    return found.model
