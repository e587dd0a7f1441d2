"""Checkpoints that `--eval-every` asks on the way: kept, made models, asked, all beside the training."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vlmbench.cli.recipes import trainers
from vlmbench.cli.train_words import stage_words
from vlmbench.errors import RunFolderError


@contextlib.contextmanager
def asked_on_the_way(
    args: argparse.Namespace, recipe: Any, work_dir: Path, resume: Path | str | None
) -> Iterator[Callable[[Any], None] | None]:
    """What training calls with each checkpoint it wrote, if any is to be asked; ends when all were.

    Candidates beyond the checkpoint to go on from are not asked: training drops them.
    """
    if not args.eval or not args.eval_every or not is_first(args):
        yield None
        return
    evaluating = trainers("evaluating")
    asker = evaluating.Asker(question(args, recipe, args.eval, args.eval_limit), work_dir / "evaluation.log")
    for candidate in _still_valid(work_dir, resume):
        if unfinished(candidate, args.eval, args.eval_limit):
            asker.add(candidate)

    def saved(checkpoint: Any) -> None:
        known = [candidate.step for candidate in evaluating.candidates(work_dir)]
        if checkpoint.last or checkpoint.step - max(known, default=0) < args.eval_every:
            return
        candidate = evaluating.candidate(work_dir, checkpoint.step)
        evaluating.keep(candidate, checkpoint.folder)
        asker.add(candidate)

    try:
        yield saved
        asker.wait()
    finally:
        asker.stop()


def _still_valid(work_dir: Path, resume: Path | str | None) -> list[Any]:
    candidates: list[Any] = trainers("evaluating").candidates(work_dir)
    if (work_dir / trainers("training.job").MODEL).is_dir():
        return candidates
    begins = trainers("training.abandoned").begins_at(work_dir, resume)
    return [candidate for candidate in candidates if candidate.step <= begins]


def make(args: argparse.Namespace, recipe: Any, work_dir: Path) -> int:
    """The checkpoint of `--candidate` as a model: what the processes beside a training do."""
    evaluating = trainers("evaluating")
    evaluating.make(evaluating.candidate(work_dir, args.candidate), recipe)
    return 0


def question(args: argparse.Namespace, recipe: Any, benchmarks: Sequence[str], limit: int | None) -> Any:
    """What candidates of this stage are asked."""
    return trainers("evaluating").Question(
        benchmarks=tuple(benchmarks),
        limit=limit,
        flags=("--device", args.eval_device),
        maker=(*stage_words(args, recipe), "--candidate"),
    )


def unfinished(candidate: Any, benchmarks: Sequence[str], limit: int | None) -> list[str]:
    """The benchmarks that it has not answered whole."""
    return [name for name in benchmarks if not _is_finished(candidate, name, limit)]


def _is_finished(candidate: Any, benchmark: str, limit: int | None) -> bool:
    """Whether its answers are whole, and of this model: a model trained anew is younger than they are."""
    folder = candidate.run(benchmark)
    try:
        results = open_run(folder).results
    except RunFolderError:
        return False
    facts = candidate.model / "config.json"
    older = not facts.exists() or facts.stat().st_mtime <= (folder / "results.json").stat().st_mtime
    return bool(results["complete"] and results["limit"] == limit and older)


def open_run(folder: Path) -> Any:
    """A finished run."""
    from vlmbench.report.runs import open_run as opened

    return opened(folder)


def is_first(args: argparse.Namespace) -> bool:
    """Whether this process asks and speaks for all: the first rank, or the first machine before that."""
    if "RANK" in os.environ:
        return os.environ["RANK"] == "0"
    world = trainers("world").world(os.environ, processes=1, nproc=args.nproc, nnodes=args.nnodes)
    return int(world.node_rank) == 0


def is_alone(args: argparse.Namespace) -> bool:
    """Whether no other process goes through the stages as this one does."""
    if "RANK" in os.environ:
        return int(os.environ.get("WORLD_SIZE", "1")) == 1
    world = trainers("world").world(os.environ, processes=1, nproc=args.nproc, nnodes=args.nnodes)
    return int(world.nnodes) == 1
