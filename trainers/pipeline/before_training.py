"""The score before training: of the model that a stage starts from, step 0 of its scores."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vlmbench.checkpoints.formats.layout import guess
from vlmbench.finished import FinishedRun
from vlmbench.trainers.evaluation import Candidate, table_name
from vlmbench.trainers.recipe.model import Recipe
from vlmbench.trainers.training.job import MODEL, RUNS, left_by

from .request import Harness

_PARTIAL = ("deepspeed", "xtuner")
"""Layouts with trained parameters alone, which nothing can ask."""


def model_before(recipe: Recipe, work_dir: Path) -> Candidate | None:
    """The whole model that the stage starts from; None where there is none, as before a first projector."""
    named = recipe.model.start
    if recipe.pretrained is not None:
        found = left_by(recipe.pretrained, work_dir)
        named = None if found is None or found.is_file() or guess(found) in _PARTIAL else str(found)
    elif recipe.model.language.fresh or recipe.model.vision.fresh:
        return None
    return None if named is None else Candidate(step=0, model=Path(named), work_dir=work_dir, before=True)


def folders_before(before: Candidate, benchmark: str, harness: Harness) -> Iterator[Path]:
    """Where its run may be: among a user's runs, among the evaluations of the stage before, or here."""
    yield harness.run_folder(str(before.model), table_name(benchmark))
    if before.model.name == MODEL:
        yield before.model.parent / RUNS / MODEL / table_name(benchmark)
    yield before.run(benchmark)


def is_alike(run: FinishedRun, other: FinishedRun) -> bool:
    """Whether two runs asked the same questions and scored them by the same rules."""
    keys = ("benchmark", "rules", "limit", "blind", "seed", "complete")
    same = all(run.results.get(key) == other.results.get(key) for key in keys)
    return same and run.draws == other.draws and run.facts.get("dataset") == other.facts.get("dataset")
