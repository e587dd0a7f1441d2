"""Evaluation as a part of `vlmbench train`: at the end, at checkpoints, and where a chain says so.

    vlmbench train demo_lora --eval Shapes_DEV_EN
    vlmbench train mine.yaml --eval MMBench_DEV_EN CCBench --eval-every 500 --eval-limit 300

Each is asked in a process of its own, which goes on where it was stopped. Scores go into metrics.jsonl, the
model card and run folders under WORK_DIR/runs; of several checkpoints a paired test chooses (best.json).
"""

from __future__ import annotations

import argparse
import importlib
import json
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vlmbench.cli.numbers import positive
from vlmbench.cli.recipes import trainers
from vlmbench.cli.train_candidates import is_alone, is_first, open_run, question, unfinished
from vlmbench.errors import UsageError

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
    for place, stage in enumerate(chain.stages):
        if hasattr(stage, "evaluate"):
            what = {"benchmarks": list(stage.evaluate), "limit": stage.limit}
            do = partial(_evaluate, args, here, stage.evaluate, stage.limit)
        else:
            here = folders[stage.name]
            before = trainers("chain").training(*here, before)
            what = {"stage": stage.name}
            do = partial(_train, args, before, here, train_stage)
        last = all(hasattr(later, "evaluate") for later in chain.stages[place + 1 :])
        code = do() if last or is_alone(args) else _together(args, here[1], {**what, "place": place}, do)
        if code != 0:
            return code
    return _evaluate(args, here, args.eval, args.eval_limit) if args.eval else 0


def _together(
    args: argparse.Namespace, work_dir: Path, what: Mapping[str, Any], do: Callable[[], int]
) -> int:
    """The next stage begins once the first process is done: it asks, also what was left of the way here."""

    def of_this_model() -> dict[str, Any]:
        facts = _model(work_dir) / "config.json"
        return {**what, "model": facts.stat().st_mtime_ns if facts.exists() else None}

    others = trainers("evaluating.others")
    mark = others.mark_of(work_dir, what["place"])
    if is_first(args):
        code: int = others.done_by_first(mark, of_this_model, do)
        return code
    return do() or others.wait_for_first(mark, of_this_model)


def _train(
    args: argparse.Namespace,
    stage: Any,
    here: tuple[Any, Path],
    train_stage: Callable[[Any, Path], int],
) -> int:
    if _model(here[1]).is_dir() and stage.finished():
        if is_first(args):
            _say(f"{stage.name} was finished before, in {here[1]}")
        return 0
    code = train_stage(*here)
    if code == 0 and is_first(args):
        stage.finish()
    return code


def _evaluate(
    args: argparse.Namespace, here: tuple[Any, Path], names: Sequence[str], limit: int | None
) -> int:
    """Ask the finished model, and the checkpoints kept on its way; the first process does it."""
    if not is_first(args):
        return 0
    (recipe, work_dir), benchmarks = here, _known(names)
    candidates = [*trainers("evaluating").candidates(work_dir), _final(work_dir)]
    asked = question(args, recipe, benchmarks, limit)
    left = {candidate: unfinished(candidate, benchmarks, limit) for candidate in candidates}
    if code := _ask(asked, left):
        return code
    known = [_value(candidates[-1], benchmark).benchmark for benchmark in benchmarks]
    if any(left.values()) or not trainers("evaluating.told").is_logged(work_dir, candidates[-1].step, known):
        _tell(work_dir, candidates, benchmarks)
    return 0


def _ask(question: Any, left: Mapping[Any, Sequence[str]]) -> int:
    """Every candidate what it has not answered yet; the highest exit code. Ctrl-C ends all of it."""
    asking = trainers("evaluating.asking")
    worst = 0
    for candidate, benchmarks in left.items():
        for command in question.commands(candidate, benchmarks) if benchmarks else ():
            code: int = asking.ask(command)
            if code == asking.INTERRUPTED:
                return code
            worst = max(worst, code)
    return worst


def _tell(work_dir: Path, candidates: Sequence[Any], benchmarks: Sequence[str]) -> None:
    """The log, the card, and which checkpoint is the best."""
    told = trainers("evaluating.told")
    values = {(c.step, benchmark): _value(c, benchmark) for c in candidates for benchmark in benchmarks}
    told.log_values(work_dir, values.values())
    final = candidates[-1]
    text = told.results_text([values[final.step, benchmark] for benchmark in benchmarks])
    trainers("training.card").add_results(final.model, text)
    for value in values.values():
        _say(f"step {value.step}: {value.benchmark} {value.text} ({value.run})")
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
    return comparing.compare(open_run(first.run), open_run(second.run)).difference


def _value(candidate: Any, benchmark: str) -> Any:
    results = open_run(candidate.run(benchmark)).results
    figure = results["headline"]
    return trainers("evaluating").Value(
        step=candidate.step,
        benchmark=results["benchmark"],
        value=figure["value"],
        ci95=figure["ci95"] and tuple(figure["ci95"]),
        n=figure["n"],
        name=figure["name"],
        unit=figure["unit"],
        run=candidate.run(benchmark),
    )


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


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
