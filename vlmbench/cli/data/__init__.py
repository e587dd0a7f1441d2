"""Data: get benchmark files, check what is here, see what training learns from.

vlmbench data get MMBench_DEV_EN
vlmbench data check MMBench_DEV_EN --data-dir ~/LMUData
vlmbench data check llava_v15_7b_finetune
vlmbench data check own.json --images pictures
vlmbench data tokens own.json --template vicuna --tokenizer MODEL_DIR
vlmbench data repeat own.json 200
"""

from __future__ import annotations

import argparse
import difflib
import sys
from collections import Counter
from typing import Any

from vlmbench.cli._shared.flags import (
    add_data_arguments,
    add_format_argument,
    add_plugin_argument,
    find_benchmark,
    find_benchmarks,
    open_file,
    print_json,
    stdout,
)
from vlmbench.cli.data import repeat, tokens, training
from vlmbench.cli.data.files import is_recipe, is_training_file
from vlmbench.domain import Benchmark
from vlmbench.errors import UnknownName

INCOMPLETE = 4
ACTIONS = ("get", "check", "tokens", "repeat")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `data`."""
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="benchmarks (`vlmbench list`), recipes, or files"
    )
    add_plugin_argument(parser)
    add_data_arguments(parser)
    add_format_argument(parser)
    training.add_arguments(parser)
    tokens.add_arguments(parser)
    repeat.add_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Do it for each name in turn."""
    if args.action == "tokens":
        return tokens.tokens(args.names, args)
    if args.action == "repeat":
        return repeat.repeat(args.names, args)
    if args.action == "get":
        return max(get(benchmark, args) for benchmark in find_benchmarks(args, args.names))
    return _check(args)


def _check(args: argparse.Namespace) -> int:
    """Files and recipes are training data, all else are benchmarks."""
    trained_on = [name for name in args.names if is_training_file(name) or is_recipe(name)]
    benchmarks = [_benchmark(args, name) for name in args.names if name not in trained_on]
    found = [check(benchmark, args) for benchmark in benchmarks]
    read = training.check(trained_on, args)
    if args.format == "json":
        print_json([*found, *read])
    if any(report["problems"] for report in found):
        return 1
    return 0 if all(report["complete"] for report in read) else INCOMPLETE


def _benchmark(args: argparse.Namespace, name: str) -> Benchmark:
    try:
        return find_benchmark(args, name)
    except UnknownName as error:
        from vlmbench.trainers.recipe.library import recipe_names

        recipes = recipe_names()
        if not difflib.get_close_matches(name, recipes, n=1):
            raise
        raise UnknownName("benchmark or recipe", name, recipes) from error


def get(benchmark: Benchmark, args: argparse.Namespace) -> int:
    """Download unless the right file is here already."""
    from vlmbench.data.download import download
    from vlmbench.data.home import home
    from vlmbench.data.locate import checksum_state, find_file

    file = benchmark.card.file
    here = find_file(file, args.data_dir)
    if here is not None and (file.bundled or checksum_state(file, here) in ("current", "unknown")):
        stdout().print(f"{file.name} is here: {here}", markup=False, soft_wrap=True)
        return 0
    path = download(file, args.data_dir or home() / "data", progress=_Bar(file.name))
    stdout().print(f"{file.name} is here now: {path}", markup=False, soft_wrap=True)
    return 0


def check(benchmark: Benchmark, args: argparse.Namespace) -> dict[str, Any]:
    """Verify the checksum, read every row, and list the rows that cannot be asked."""
    from vlmbench.data.locate import checksum_state, require_file

    file = benchmark.card.file
    path = require_file(file, args.data_dir, accept_changed=args.accept_local_data)
    samples = list(benchmark.samples(open_file(benchmark.card, path).rows()))
    problems = [s for s in samples if s.problem]
    groups = len(Counter(s.group for s in samples))
    state = "bundled" if file.bundled else f"checksum {checksum_state(file, path)}"
    report: dict[str, Any] = {"file": str(path), "rows": len(samples), "groups": groups, "state": state}
    report["problems"] = {sample.id: sample.problem for sample in problems}
    if args.format != "json":
        console = stdout()
        console.print(f"{path}: {len(samples)} rows, {groups} groups, {state}", markup=False, soft_wrap=True)
        for sample in problems[:20]:
            console.print(f"row {sample.id}: {sample.problem}", markup=False, soft_wrap=True)
        if problems:
            console.print(f"{len(problems)} rows cannot be asked")
    return report


class _Bar:
    """Download progress on stderr: a bar on a terminal, a line every tenth elsewhere."""

    def __init__(self, name: str) -> None:
        self._name, self._tenth = name, -1
        self._live = sys.stderr.isatty()

    def __call__(self, done: int, total: int | None) -> None:
        share = done / total if total else 0.0
        of = f" of {total / 1e6:.1f}" if total else ""
        line = f"{self._name}: {done / 1e6:.1f}{of} MB"
        if self._live:
            bar = "━" * round(30 * share)
            end = "\n" if done == total else ""
            print(f"\r{line} {bar:<30} {share:4.0%}", end=end, file=sys.stderr, flush=True)
        elif int(share * 10) > self._tenth:
            self._tenth = int(share * 10)
            print(line, file=sys.stderr, flush=True)
