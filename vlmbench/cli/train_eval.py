"""Evaluation as a part of `vlmbench train`: at the end, at checkpoints, and where a chain says so.

    vlmbench train demo_lora --eval Shapes_DEV_EN
    vlmbench train mine.yaml --eval MMBench_DEV_EN CCBench --eval-every 500 --eval-limit 300

Each is asked in a process of its own, which goes on where it was stopped. Scores go into metrics.jsonl, the
model card and run folders under WORK_DIR/runs; of several checkpoints a paired test chooses (best.json).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from vlmbench.cli.common import positive
from vlmbench.cli.recipes import trainers
from vlmbench.errors import RunFolderError, UsageError

Placed = Sequence[tuple[Any, Path]]
"""Recipes with their work folders."""


def add_eval_arguments(parser: argparse.ArgumentParser) -> None:
    """What is asked of the checkpoints."""
    parser.add_argument(
        "--eval",
        nargs="+",
        default=[],
        metavar="NAME",
        help="ask the trained model these benchmarks or suites",
    )
    parser.add_argument(
        "--eval-every",
        type=positive,
        metavar="STEPS",
        help="also checkpoints on the way, so many optimizer steps apart or more",
    )
    parser.add_argument("--eval-limit", type=positive, metavar="N", help="ask N whole groups only")
    parser.add_argument(
        "--eval-device", default="auto", help="of the process that asks: auto, cpu, cuda:1, … (default: auto)"
    )


def eval_words(args: argparse.Namespace) -> list[str]:
    """The same flags again, for the processes of a distributed run."""
    if not args.eval:
        return []
    words = ["--eval", *args.eval, "--eval-device", args.eval_device]
    for flag, value in (("--eval-every", args.eval_every), ("--eval-limit", args.eval_limit)):
        words += [] if value is None else [flag, str(value)]
    return words


def check_eval(args: argparse.Namespace) -> None:
    """A benchmark that does not exist is told before anything is trained."""
    if args.eval_every is not None and not args.eval:
        raise UsageError("names no benchmark to ask.", key="--eval-every", fix="Add --eval NAME.")
    args.eval = _known(args.eval)


def run_stages(
    args: argparse.Namespace, chain: Any, placed: Placed, train_stage: Callable[[Any, Path], int]
) -> int:
    """Every stage in order, the finished ones left out; then what `--eval` names."""
    check_eval(args)
    for stage in chain.stages:
        _known(getattr(stage, "evaluate", ()))
    folders = {recipe.name: (recipe, folder) for recipe, folder in placed}
    here, before = placed[0], None
    for stage in chain.stages:
        if hasattr(stage, "evaluate"):
            code = _evaluate(args, here[1], stage.evaluate, stage.limit)
        else:
            here = folders[stage.name]
            before = trainers("chain").training(*here, before)
            code = _train(before, here, train_stage)
        if code != 0:
            return code
    return _evaluate(args, here[1], args.eval, args.eval_limit) if args.eval else 0


@contextlib.contextmanager
def asked_on_the_way(
    args: argparse.Namespace, recipe: Any, work_dir: Path
) -> Iterator[Callable[[Any], None] | None]:
    """What training calls with each checkpoint it wrote, if any is to be asked; ends when all were."""
    if not args.eval or not args.eval_every or not _first():
        yield None
        return
    evaluating = trainers("evaluating")
    asker = evaluating.Asker(_question(args, args.eval, args.eval_limit), work_dir / "evaluation.log")
    for candidate in _candidates(work_dir):
        asker.add(candidate)

    def saved(checkpoint: Any) -> None:
        known = [candidate.step for candidate in _candidates(work_dir)]
        if checkpoint.last or checkpoint.step - max(known, default=0) < args.eval_every:
            return
        folder = work_dir / evaluating.CANDIDATES / f"step-{checkpoint.step}"
        trainers("training").export(recipe, checkpoint.folder, folder, work_dir=work_dir)
        asker.add(evaluating.Candidate(step=checkpoint.step, model=folder, work_dir=work_dir))

    yield saved
    asker.wait()


def _train(stage: Any, here: tuple[Any, Path], train_stage: Callable[[Any, Path], int]) -> int:
    if _model(here[1]).is_dir() and stage.finished():
        _say(f"{stage.name} was finished before, in {here[1]}")
        return 0
    code = train_stage(*here)
    if code == 0 and _first():
        stage.finish()
    return code


def _evaluate(args: argparse.Namespace, work_dir: Path, names: Sequence[str], limit: int | None) -> int:
    """Ask the finished model, and the checkpoints kept on its way; the first process does it."""
    if not _first():
        return 0
    benchmarks = _known(names)
    candidates = [*_candidates(work_dir), _final(work_dir)]
    question = _question(args, benchmarks, limit)
    ask = trainers("evaluating.asking").ask
    codes = [
        ask(question, candidate, benchmark)
        for candidate in candidates
        for benchmark in benchmarks
        if not _is_finished(candidate, benchmark, limit)
    ]
    if any(codes):
        return int(max(codes))
    known = [_value(candidates[-1], benchmark).benchmark for benchmark in benchmarks]
    if codes or not trainers("evaluating.told").is_logged(work_dir, candidates[-1].step, known):
        _tell(work_dir, candidates, benchmarks)
    return 0


def _tell(work_dir: Path, candidates: Sequence[Any], benchmarks: Sequence[str]) -> None:
    """The log, the card, and which checkpoint is the best."""
    told = trainers("evaluating.told")
    values = {(c.step, benchmark): _value(c, benchmark) for c in candidates for benchmark in benchmarks}
    told.log_values(work_dir, values.values())
    final = candidates[-1]
    text = told.results_text([values[final.step, benchmark] for benchmark in benchmarks])
    trainers("training.card").add_results(final.model, text)
    for value in values.values():
        score = "no score" if value.value is None else f"{value.value * 100:.1f} %"
        _say(f"step {value.step}: {value.benchmark} {score} ({value.run})")
    if len(candidates) == 1:
        return
    first = benchmarks[0]
    pairs = [(candidate, values[candidate.step, first]) for candidate in candidates]
    choice = trainers("evaluating").choose(pairs, _difference)
    told.write_best(work_dir, first, choice)
    best = choice.best
    _say(f"best on {first}: step {best.candidate.step} in {best.candidate.model}, {told.reason(choice)}")
    for candidate in candidates[:-1]:
        if candidate.model != best.candidate.model:
            shutil.rmtree(candidate.model, ignore_errors=True)


def _difference(first: Any, second: Any) -> Any:
    comparing = importlib.import_module("vlmbench.leaderboards.comparing")
    return comparing.compare(_open(first.run), _open(second.run)).difference


def _value(candidate: Any, benchmark: str) -> Any:
    results = _open(candidate.run(benchmark)).results
    figure = results["headline"]
    return trainers("evaluating").Value(
        step=candidate.step,
        benchmark=results["benchmark"],
        value=figure["value"],
        ci95=figure["ci95"] and tuple(figure["ci95"]),
        n=figure["n"],
        name=figure["name"],
        run=candidate.run(benchmark),
    )


def _is_finished(candidate: Any, benchmark: str, limit: int | None) -> bool:
    """Whether its answers are whole, and of this model: a model trained anew is younger than they are."""
    folder = candidate.run(benchmark)
    try:
        results = _open(folder).results
    except RunFolderError:
        return False
    facts = candidate.model / "config.json"
    older = not facts.exists() or facts.stat().st_mtime <= (folder / "results.json").stat().st_mtime
    return bool(results["complete"] and results["limit"] == limit and older)


def _open(folder: Path) -> Any:
    from vlmbench.report.runs import open_run

    return open_run(folder)


def _question(args: argparse.Namespace, benchmarks: Sequence[str], limit: int | None) -> Any:
    flags = ("--device", args.eval_device)
    return trainers("evaluating").Question(benchmarks=tuple(benchmarks), limit=limit, flags=flags)


def _candidates(work_dir: Path) -> list[Any]:
    """Checkpoints that were made models on the way, by step."""
    evaluating = trainers("evaluating")
    folders = (work_dir / evaluating.CANDIDATES).glob("step-*")
    found = [
        evaluating.Candidate(step=int(folder.name[5:]), model=folder, work_dir=work_dir)
        for folder in folders
        if folder.name[5:].isdigit()
    ]
    return sorted(found, key=lambda candidate: int(candidate.step))


def _final(work_dir: Path) -> Any:
    facts = json.loads((_model(work_dir) / "training.json").read_text("utf-8"))
    step = int(facts.get("steps") or 0)
    return trainers("evaluating").Candidate(step=step, model=_model(work_dir), work_dir=work_dir)


def _model(work_dir: Path) -> Path:
    folder: str = trainers("training.job").MODEL
    return work_dir / folder


def _known(names: Sequence[str]) -> list[str]:
    """Suites as their benchmarks; a name that nobody knows is told."""
    from vlmbench.registry import Registry
    from vlmbench.suites import expand

    registry, found = Registry(), expand(list(names))
    for name in found:
        registry.benchmark(name)
    return found


def _first() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
