"""What several verbs ask for in the same words."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.domain import RULE_SETS, Benchmark, Card

if TYPE_CHECKING:
    from rich.console import Console

    from vlmbench.data.table import Table


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the benchmark's file is and whether to trust it."""
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="look for benchmark files here first")
    parser.add_argument(
        "--accept-local-data",
        action="store_true",
        help="use a local file although its checksum is not the published one",
    )


def add_plugin_argument(parser: argparse.ArgumentParser) -> None:
    """Benchmarks in a file of the user's own."""
    parser.add_argument(
        "--plugin",
        action="append",
        type=Path,
        default=[],
        metavar="FILE.py",
        help="a Python file that offers benchmarks; may be given several times",
    )


def add_circular_argument(parser: argparse.ArgumentParser) -> None:
    """Any multiple choice in every rotation."""
    parser.add_argument(
        "--circular",
        action="store_true",
        help="multiple choice in every rotation of its options, scored like MMBench, as NAME_circular",
    )


def find_benchmarks(args: argparse.Namespace, names: Sequence[str]) -> list[Benchmark]:
    """The benchmarks of these names, plugins among them; rotated where `--circular` says so."""
    from vlmbench.registry import Registry, circular

    registry = Registry(args.plugin)
    found = [registry.benchmark(name) for name in names]
    return [circular(b) for b in found] if getattr(args, "circular", False) else found


def find_benchmark(args: argparse.Namespace, name: str) -> Benchmark:
    """The benchmark of that name."""
    return find_benchmarks(args, [name])[0]


def add_rules_argument(parser: argparse.ArgumentParser) -> None:
    """The rule set of the headline."""
    parser.add_argument(
        "--rules",
        choices=RULE_SETS,
        default="strict",
        help="rule set of the headline; all of them are computed (default: strict)",
    )


def add_format_argument(parser: argparse.ArgumentParser, *more: str) -> None:
    """How to print."""
    parser.add_argument("--format", choices=("table", "json", *more), default="table")


def open_benchmark(benchmark: Benchmark, args: argparse.Namespace) -> Table:
    """The benchmark's file, found, verified and opened."""
    from vlmbench.data.locate import require_file

    path = require_file(benchmark.card.file, args.data_dir, accept_changed=args.accept_local_data)
    return open_file(benchmark.card, path)


def open_file(card: Card, path: Path) -> Table:
    """A file in the layout of this benchmark."""
    from vlmbench.data.table import open_table

    return open_table(path, need_integer_index=card.circular)


def complain_of_unscored(document: Mapping[str, Any], rows: str) -> None:
    """Say which questions no figure counts, to those who do not see the table; `rows` says where all are."""
    from vlmbench.cli.main import complain
    from vlmbench.report.tables import unscored_line

    if (line := unscored_line(document, rows)) is not None:
        complain(line)


def stdout() -> Console:
    """The console of tables: colours on a terminal, plain text in a pipe."""
    from rich.console import Console

    return Console(highlight=False, soft_wrap=False)


def print_json(document: Any) -> None:
    """A JSON document on stdout; text that no encoder could write is escaped."""
    text = json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False)
    encoding = sys.stdout.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding))
