"""Check a submission file before a server does: columns, rows, rotations, empty and dangerous cells.

    vlmbench check-submission mmbench_result.xlsx --bench MMBench_TEST_EN

The exit code is 1 when an error is found; warnings alone are fine.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.chinese import translated
from vlmbench.cli._shared.benchmarks import find_benchmark, open_benchmark
from vlmbench.cli._shared.console import stdout
from vlmbench.cli._shared.flags import add_data_arguments, add_format_argument, add_plugin_argument
from vlmbench.cli._shared.tables import print_rows

if TYPE_CHECKING:
    from vlmbench.report.exports.mmbench import Finding


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `check-submission`."""
    parser.add_argument("file", type=Path, metavar="FILE", help="the submission, xlsx or tsv")
    parser.add_argument("--bench", required=True, metavar="NAME", help="the benchmark that it answers")
    add_plugin_argument(parser)
    add_data_arguments(parser)
    add_format_argument(parser, "tsv")


def execute(args: argparse.Namespace) -> int:
    """Print the findings."""
    from vlmbench.evaluation import read_samples
    from vlmbench.report.exports.mmbench import check_submission

    benchmark = find_benchmark(args, args.bench)
    samples = read_samples(benchmark, open_benchmark(benchmark, args))
    findings = check_submission(args.file, samples)
    if args.format != "table":
        print_rows([asdict(f) for f in findings], args.format)
        return int(any(f.level == "error" for f in findings))
    return print_findings(findings)


def print_findings(findings: Sequence[Finding], *, most: int = 20) -> int:
    """One line a finding, errors first; returns the exit code."""
    console = stdout()
    errors = sum(f.level == "error" for f in findings)
    for finding in sorted(findings, key=lambda f: f.level != "error")[:most]:
        row = translated(f" (row {finding.row})") if finding.row is not None else ""
        colour = "red" if finding.level == "error" else "yellow"
        console.print(translated(finding.level), style=colour, end=" ")
        what = f"{translated(finding.what)}{row} {translated(finding.fix or '')}"
        console.print(what.rstrip())
    if len(findings) > most:
        console.print(f"… and {len(findings) - most} more")
    if errors:
        console.print(f"not ready: {errors} errors, {len(findings) - errors} warnings")
        return 1
    warnings = f", {len(findings)} warnings" if findings else ""
    console.print(f"[green]ready to submit[/green]{warnings}", markup=True)
    return 0
