"""Get benchmark files, check benchmarks and training data, see the tokens that training learns.

vlmbench data get MMBench_DEV_EN MMStar
vlmbench data get all-llava-table --dry-run          sizes, sources and licences of a suite
vlmbench data check MMBench_DEV_EN --data-dir ~/LMUData
vlmbench data check llava_v15_7b_finetune    every file that a recipe needs
vlmbench data check own.json --images pictures
vlmbench data tokens own.json --template vicuna --tokenizer MODEL_DIR
vlmbench data repeat own.json 200            every record 200 times
"""

from __future__ import annotations

import argparse
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.benchmarks import find_benchmark, open_benchmark
from vlmbench.cli._shared.console import INCOMPLETE, print_json, print_line
from vlmbench.cli._shared.flags import (
    add_data_arguments,
    add_format_argument,
    add_map_argument,
    add_plugin_argument,
    positive,
)
from vlmbench.cli.data import getting, tokens, training
from vlmbench.domain import Benchmark, DataFile
from vlmbench.errors import NoSuchData, UnknownName, UsageError

if TYPE_CHECKING:
    from vlmbench.data.table import Table

ACTIONS = ("get", "check", "tokens", "repeat")
SHOWN = 20
"""Rows that cannot be asked, of each benchmark; `--format json` lists all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `data`."""
    parser.add_argument("action", choices=ACTIONS)
    parser.add_argument(
        "names", nargs="+", metavar="NAME", help="benchmarks (`vlmbench list`), recipes, or files"
    )
    add_plugin_argument(parser)
    add_map_argument(parser)
    add_data_arguments(parser)
    add_format_argument(parser, "tsv")
    getting.add_arguments(parser)
    training.add_arguments(parser)
    tokens.add_arguments(parser)
    group = parser.add_argument_group("repeat FILE.json N: every record N times")
    group.add_argument(
        "--out", type=Path, metavar="FILE", help="file to write (default: FILE_Nx.json beside FILE)"
    )


def execute(args: argparse.Namespace) -> int:
    """Do the action for each name in turn."""
    if args.action == "tokens":
        return tokens.print_tokens(args.names, args)
    if args.action == "repeat":
        return repeat(args.names, args)
    if args.action == "get":
        return getting.get(args.names, args)
    return _check(args)


def _check(args: argparse.Namespace) -> int:
    """Recipes and annotation files are training data, every other name is a benchmark."""
    for name in args.names:
        missing = training.is_file(name) and not Path(name).expanduser().is_file()
        if missing and not args.fix:  # pictures can be mended before their annotation file is here
            raise NoSuchData("there is no such file.", file=name)
    to_train = [name for name in args.names if training.is_file(name) or training.is_recipe(name)]
    benchmarks = [_benchmark(args, name) for name in args.names if name not in to_train]
    found = [check(benchmark, args) for benchmark in benchmarks]
    read = training.check(to_train, args)
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


def check(benchmark: Benchmark, args: argparse.Namespace) -> dict[str, Any]:
    """Verify the checksum, read every row, and list the rows that cannot be asked."""
    table = open_benchmark(benchmark, args)
    samples = list(benchmark.samples(table.rows()))
    problems = {sample.id: sample.problem for sample in samples if sample.problem}
    groups = len({sample.group for sample in samples})
    state = _state(benchmark.card.file, table, args.data_dir)
    if args.format != "json":
        print_line(f"{table.origin}: {len(samples)} rows, {groups} groups, {state}")
        for row, problem in list(problems.items())[:SHOWN]:
            print_line(f"row {row}: {problem}")
        if problems:
            print_line(f"{len(problems)} rows cannot be asked")
    report = {"file": str(table.path), "rows": len(samples), "groups": groups, "state": state}
    return report | {"problems": problems}


def _state(file: DataFile, table: Table, data_dir: Path | None) -> str:
    """What vouches for the file: vlmbench itself, a published checksum, or nothing."""
    from vlmbench.data.locate import checksum_state
    from vlmbench.data.opening import is_read_as_dataset

    if file.bundled:
        return "bundled"
    return "dataset" if is_read_as_dataset(file, data_dir) else f"checksum {checksum_state(file, table.path)}"


def repeat(names: list[str], args: argparse.Namespace) -> int:
    """Write a file with every record of another one N times: a few records are enough to train on."""
    from vlmbench.trainers.data.records import repeat_file, repeated_name

    try:
        name, times = names
        file, count = Path(name).expanduser(), positive(times)
    except (ValueError, argparse.ArgumentTypeError):
        raise UsageError(
            "`data repeat` needs a file and a number.", fix="Example: vlmbench data repeat own.json 200"
        ) from None
    out = args.out or repeated_name(file, count)
    print_line(f"{repeat_file(file, count, out):,} records in {out}")
    return 0
