"""The stages of `vlmbench train`, one after the other, each on as many processes as it needs."""

from __future__ import annotations

import argparse
import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

from vlmbench.cli.recipes import trainers
from vlmbench.cli.train_candidates import asked_on_the_way, is_first, make
from vlmbench.cli.train_eval import run_stages
from vlmbench.cli.train_words import eval_words, stage_words
from vlmbench.errors import UnknownName, UserError

INTERRUPTED = 130


def train_chain(args: argparse.Namespace, chain: Any) -> int:
    """Train what is not trained yet; the last stage's folder is printed."""
    if args.log is not None:
        from vlmbench.report.trackers import require_tracker

        require_tracker(args.log)
    if args.stage is None:
        trainers("training.launch").adopt(os.environ)
        _refuse_lost(args)
    stages = trainers("chain").placed(chain, args.work_dir)
    _refuse_strange(args.resume, stages)
    if args.candidate is not None:
        return make(args, *_named(stages, args.stage))
    if args.stage is not None:
        return _train_here(args, _named(stages, args.stage))
    if (code := run_stages(args, chain, stages, partial(_train_stage, args))) != 0:
        return code
    if is_first(args):
        _say_finished(args, stages, chain)
    return 0


def _refuse_lost(args: argparse.Namespace) -> None:
    """Before anything is read or written: machines that cannot meet."""
    if not trainers("training.launch").launched(os.environ):
        worlds = trainers("world")
        here = worlds.world(os.environ, processes=1, nproc=args.nproc, nnodes=args.nnodes)
        worlds.refuse_lost(os.environ, here.nnodes)


def _named(stages: list[tuple[Any, Path]], name: str) -> tuple[Any, Path]:
    found = {recipe.name: (recipe, work_dir) for recipe, work_dir in stages}
    if name not in found:
        raise UnknownName("stage", name, found)
    return found[name]


def _train_stage(args: argparse.Namespace, recipe: Any, work_dir: Path) -> int:
    launch = trainers("training.launch")
    world = trainers("world").world(
        os.environ, processes=recipe.parallelism.processes, nproc=args.nproc, nnodes=args.nnodes
    )
    if launch.launched(os.environ) or (work_dir / trainers("training.job").MODEL).is_dir():
        return _train_here(args, (recipe, work_dir))
    _refuse_missing(recipe, world.nproc, work_dir)
    trainers("deepspeed_file").agree(recipe, world.size)
    if not launch.needed(recipe, world):
        return _train_here(args, (recipe, work_dir))
    cpu = recipe.parallelism.device == "cpu"
    code: int = launch.launch([*stage_words(args, recipe), *eval_words(args)], world, cpu=cpu)
    return code


def _refuse_missing(recipe: Any, nproc: int, work_dir: Path) -> None:
    """All that is not here, at once and before any process is started."""
    missing = trainers("plan_missing").missing(recipe, nproc, work_dir)
    if missing:
        listed = "; ".join(f"{one.what} ({one.fix})" for one in missing)
        raise UserError(f"{recipe.name} cannot be trained yet. Missing: {listed}.")


def _train_here(args: argparse.Namespace, stage: tuple[Any, Path]) -> int:
    recipe, work_dir = stage
    resume = args.resume
    if resume not in (None, "latest"):
        # A checkpoint is of one stage of a chain; the others go on from their own.
        resume = _checkpoint_in(resume, work_dir) or "latest"
    try:
        with asked_on_the_way(args, recipe, work_dir, resume) as hook:
            trainers("training").train(
                recipe, work_dir=work_dir, resume=resume, tracker=args.log, on_checkpoint=hook
            )
    except KeyboardInterrupt:
        # Of all processes of a run, one says that it was stopped.
        if args.stage is None and is_first(args):
            raise
        return INTERRUPTED
    return 0


def _checkpoint_in(named: str, work_dir: Path) -> Path | None:
    """The checkpoint, if it is one of this work folder's, whatever way leads there."""
    path, folder = Path(named).expanduser(), work_dir.expanduser().resolve()
    if path.resolve().parent == folder:
        return path.resolve()
    # It may lie on another disk, with a link to it in the work folder.
    within = path.parent.resolve() == folder
    return folder / path.name if within else None


def _refuse_strange(resume: str | None, stages: list[tuple[Any, Path]]) -> None:
    """A checkpoint of none of the stages would be passed over by all of them."""
    if resume in (None, "latest") or any(_checkpoint_in(resume, folder) for _, folder in stages):
        return
    folders = ", ".join(str(folder) for _, folder in stages)
    raise UserError(
        f"is no checkpoint of this training, which keeps its own in {folders}.",
        file=resume,
        fix=f"--work-dir {Path(resume).parent} goes on where it is; --resume alone, from the last one here.",
    )


def _say_finished(args: argparse.Namespace, stages: list[tuple[Any, Path]], chain: Any) -> None:
    folders = {recipe.name: str(work_dir / trainers("training.job").MODEL) for recipe, work_dir in stages}
    if args.format == "json":
        print(json.dumps({"name": chain.name, "models": folders}, indent=2))
        return
    last = folders[stages[-1][0].name]
    print(last)
    print(f"vlmbench: `vlmbench run --model {last} --bench …` asks it", file=sys.stderr)
