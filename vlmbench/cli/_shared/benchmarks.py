"""The benchmarks that a command line names, and where their files and answers are."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.api.run import benchmark_data
from vlmbench.api.run.benchmark_data import DataOptions
from vlmbench.cli._shared.parser import options
from vlmbench.domain import Benchmark
from vlmbench.terminal.screen import doing

if TYPE_CHECKING:
    from vlmbench.data.sources.limited.split import Choose
    from vlmbench.data.table import Table


def find_benchmarks(
    args: argparse.Namespace, names: Sequence[str], *, limited: bool = False
) -> list[Benchmark]:
    """The benchmarks of these names, plugins included; every rotation of them with `--circular`.

    `limited`: not all questions will be asked, so a hub's dataset need not come whole.
    """
    return benchmark_data.find_benchmarks(
        names,
        args.plugin,
        in_rotations=getattr(args, "circular", False),
        mapping=getattr(args, "map", None),
        limited=limited,
    )


def find_benchmark(args: argparse.Namespace, name: str, *, limited: bool = False) -> Benchmark:
    """The benchmark of that name."""
    return find_benchmarks(args, [name], limited=limited)[0]


def open_benchmark(benchmark: Benchmark, args: argparse.Namespace, choose: Choose | None = None) -> Table:
    """The benchmark's file, found, verified and opened; of a hub's dataset the chosen rows may be enough."""
    with doing(f"reading {benchmark.card.name}"):
        return benchmark_data.open_benchmark(benchmark, data_of(args), choose)


def data_of(args: argparse.Namespace) -> DataOptions:
    """The flags about files as a value; a verb may lack some of them."""
    return DataOptions(
        data_dir=args.data_dir,
        accept_local_data=args.accept_local_data,
        file=getattr(args, "data", None),
        answers=getattr(args, "answers", None),
    )


def add_answers_argument(parser: argparse.ArgumentParser) -> None:
    """For benchmarks whose own file has no answers."""
    options(parser, "data", rare=True).add_argument(
        "--answers",
        type=Path,
        metavar="FILE",
        help="for a benchmark whose file has no answers: take them from this TSV (another version of it, "
        "joined by picture and question) or JSON (by id)",
    )
