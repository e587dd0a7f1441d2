"""Get benchmark files, and check the ones that are here.

vlmbench data get MMBench_DEV_EN
vlmbench data check MMBench_DEV_EN --data-dir ~/LMUData
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from vlmbench.cli.common import add_data_arguments, add_plugin_argument, find_benchmarks, open_file, stdout
from vlmbench.domain import Benchmark


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `data`."""
    parser.add_argument("action", choices=("get", "check"))
    parser.add_argument("names", nargs="+", metavar="NAME", help="benchmarks, see `vlmbench list`")
    add_plugin_argument(parser)
    add_data_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Get or check each in turn."""
    act = {"get": get, "check": check}[args.action]
    return max(act(benchmark, args) for benchmark in find_benchmarks(args, args.names))


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


def check(benchmark: Benchmark, args: argparse.Namespace) -> int:
    """Verify the checksum, read every row, and list the rows that cannot be asked."""
    from vlmbench.data.locate import checksum_state, require_file

    file = benchmark.card.file
    path = require_file(file, args.data_dir, accept_changed=args.accept_local_data)
    samples = list(benchmark.samples(open_file(benchmark.card, path).rows()))
    problems = [s for s in samples if s.problem]
    console = stdout()
    groups = len(Counter(s.group for s in samples))
    state = "bundled" if file.bundled else f"checksum {checksum_state(file, path)}"
    console.print(f"{path}: {len(samples)} rows, {groups} groups, {state}", markup=False, soft_wrap=True)
    for sample in problems[:20]:
        console.print(f"row {sample.id}: {sample.problem}", markup=False, soft_wrap=True)
    if problems:
        console.print(f"{len(problems)} rows cannot be asked")
    return int(bool(problems))


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
