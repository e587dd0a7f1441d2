"""Compare runs over the same questions: which is better, and is the difference significant?

    vlmbench compare runs/base/MMBench_DEV_EN runs/tuned/MMBench_DEV_EN
    vlmbench compare runs/base/CCBench runs/tuned/CCBench --html compare.html
    vlmbench compare runs/base runs/tuned --fail-if regression --junit compare.xml
    vlmbench compare runs/a/CCBench runs/b/CCBench runs/c/CCBench --rules vlmevalkit-2024

The first run is the baseline. Folders with several runs (`runs/NAME`) are compared benchmark by benchmark.
Runs on different datasets, prompts or rule sets are not compared; the reason names what differs.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.cli._shared.ci import write_markdown
from vlmbench.cli._shared.console import complain, print_json, stdout
from vlmbench.cli._shared.flags import (
    add_data_dir_argument,
    add_format_argument,
    add_plugin_argument,
    from_zero,
    not_negative,
)
from vlmbench.cli._shared.tables import print_rows
from vlmbench.cli.report import COMPARED, targets, write_page
from vlmbench.domain import RULE_SETS
from vlmbench.errors import NoSuchRun, RunFolderError, UsageError, UserError
from vlmbench.terminal.output import read_or_not
from vlmbench.terminal.screen import doing

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun
    from vlmbench.leaderboards.compare.nouns import Comparison, Page, Refusal

REGRESSION = 3
FAILED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `compare`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, the baseline first")
    parser.add_argument(
        "--rules", choices=RULE_SETS, help="rule set to compare under (default: that of the runs' headlines)"
    )
    parser.add_argument(
        "--common",
        action="store_true",
        help="compare only the rows with a score in both runs, where runs are incomplete or partial",
    )
    parser.add_argument(
        "--fail-if",
        choices=("regression",),
        help="exit with code 3 when a run is significantly worse than the baseline",
    )
    parser.add_argument(
        "--gate",
        type=not_negative,
        metavar="POINTS",
        help="also when it is worse by more than POINTS, significant or not; implies --fail-if regression",
    )
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML")
    parser.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write Markdown; the file that GITHUB_STEP_SUMMARY names gets it as well",
    )
    parser.add_argument(
        "--html",
        type=Path,
        metavar="FILE",
        help="also write the page of `vlmbench report`, with pictures and both answers to every question; "
        "for several pages, their folder",
    )
    parser.add_argument(
        "--flips",
        type=from_zero,
        default=5,
        metavar="N",
        help="changed questions to print in each direction (default: 5)",
    )
    add_data_dir_argument(parser)
    add_plugin_argument(parser)
    add_format_argument(parser, "tsv")


def execute(args: argparse.Namespace) -> int:
    """Compare, print, write the files, and set the exit code."""
    from vlmbench.cli.compare.text import print_comparisons

    if len(args.runs) < 2:
        raise UsageError("a comparison needs at least two runs.", key="RUN", fix="Name the baseline first.")
    with doing(f"comparing {' and '.join(map(str, args.runs))}"):
        from vlmbench.leaderboards.compare.compare import regressions
        from vlmbench.leaderboards.compare.document import comparison_document
        from vlmbench.leaderboards.compare.text import evidence

        comparisons, refused = _compare_or_write_refusal(args)
        comparisons = with_pages(comparisons, args)
    gated = args.gate is not None or args.fail_if is not None
    base = run_name(args.runs, 0)
    against_base = [c for c in comparisons if c.first.name == base]
    regressed = regressions(against_base, args.gate)
    _write(args, comparisons, refused, regressed)
    with read_or_not():
        if args.format == "json":
            print_json(comparison_document(comparisons, refused, regressed, args.gate))
        elif args.format == "tsv":
            print_rows([_tabbed(comparison) for comparison in comparisons], "tsv")
        else:
            print_comparisons(comparisons, refused, console=stdout(), flips=args.flips)
    for refusal in refused:
        complain(f"{refusal.benchmark}: {refusal.reason}")
    for comparison in regressed if gated else ():
        complain(f"regression on {comparison.benchmark}: {evidence(comparison)}")
    if gated and regressed:
        return REGRESSION
    return FAILED if refused else 0


def _tabbed(comparison: Comparison) -> dict[str, object]:
    """A comparison in one row, without categories and questions."""
    low, high = comparison.difference.ci95 or (None, None)
    return {
        "benchmark": comparison.benchmark,
        "rules": comparison.rules,
        "baseline": comparison.first.name,
        "run": comparison.second.name,
        "baseline score": comparison.first.value,
        "run score": comparison.second.value,
        "difference": comparison.difference.value,
        "low": low,
        "high": high,
        "p (Holm)": comparison.adjusted_p,
        "verdict": comparison.verdict,
    }


def _compare_or_write_refusal(args: argparse.Namespace) -> tuple[Sequence[Comparison], Sequence[Refusal]]:
    """Compare; where that is refused as a whole, write the reason to the files that CI reads, and raise."""
    from vlmbench.leaderboards.compare.nouns import Refusal

    try:
        return compare_all(args)
    except RunFolderError as error:
        refusal = Refusal(
            benchmark=args.runs[0].resolve().name,
            runs=f"{', '.join(map(str, args.runs[1:]))} against {args.runs[0]}",
            reason=str(error),
        )
        _write(args, (), [refusal], ())
        raise


def compare_all(args: argparse.Namespace) -> tuple[Sequence[Comparison], Sequence[Refusal]]:
    """Every pair of runs on every benchmark they share, and the pairs that are refused."""
    from vlmbench.leaderboards.compare.compare import with_holm

    sides = [open_side(path, args) for path in args.runs]
    found = [_compare_on(name, sides, args) for name in shared_benchmarks(args.runs, sides)]
    comparisons = [comparison for one, _ in found for comparison in one]
    refused = [refusal for _, one in found for refusal in one]
    return with_holm(comparisons, base=run_name(args.runs, 0)), refused


def _compare_on(
    benchmark: str, sides: Sequence[dict[str, FinishedRun]], args: argparse.Namespace
) -> tuple[list[Comparison], list[Refusal]]:
    """Every pair on one benchmark; a run that cannot be compared with the first is left out of the rest."""
    from vlmbench.leaderboards.compare.compare import compare
    from vlmbench.leaderboards.compare.nouns import Refusal

    comparisons: list[Comparison] = []
    refused: list[Refusal] = []
    out: set[int] = set()
    for one, two in combinations(range(len(sides)), 2):
        if out & {one, two}:
            continue
        names = (run_name(args.runs, one), run_name(args.runs, two))
        first, second = sides[one][benchmark], sides[two][benchmark]
        try:
            found = compare(first, second, rules=args.rules, common=args.common, names=names)
            comparisons.append(found)
        except RunFolderError as error:
            runs = f"{names[1]} against {names[0]}"
            refused.append(Refusal(benchmark=benchmark, runs=runs, reason=str(error)))
            if one == 0:
                out.add(two)
    return comparisons, refused


def with_pages(comparisons: Sequence[Comparison], args: argparse.Namespace) -> list[Comparison]:
    """Each with the place where its questions are shown with their pictures; written now, where asked for."""
    base = run_name(args.runs, 0)
    pages = {n: (Path(c.first.folder), Path(c.second.folder)) for n, c in enumerate(comparisons)}
    asked = [n for n in pages if comparisons[n].first.name == base] if args.html else []
    places = targets([pages[n] for n in asked], args.html, flag="--html") if asked else []
    written = dict(zip(asked, places, strict=True))
    return [
        replace(comparison, page=_page(pages[number], written.get(number), args))
        for number, comparison in enumerate(comparisons)
    ]


def _page(folders: tuple[Path, Path], target: Path | None, args: argparse.Namespace) -> Page | None:
    """Where both answers are shown with pictures; None, and a warning, where that page cannot be written."""
    from vlmbench.leaderboards.compare.nouns import Page

    if target is None:
        more = ["--data-dir", args.data_dir] if args.data_dir else []
        more += [word for plugin in args.plugin for word in ("--plugin", plugin)]
        command = shlex.join(map(str, ("vlmbench", "report", *folders, *more)))
        return Page(path=str(folders[1] / COMPARED), command=command)
    try:
        write_page(folders, target, args)
    except UserError as error:
        complain(f"{target} is not written: {error}")
        return None
    return Page(path=str(target), command=None)


def open_side(path: Path, args: argparse.Namespace) -> dict[str, FinishedRun]:
    """The runs of one argument by benchmark; blind ones are another benchmark."""
    from vlmbench.report.runs import open_run, run_folders

    runs: dict[str, FinishedRun] = {}
    for folder in run_folders(path):
        run = open_run(folder, data_dir=args.data_dir, plugins=args.plugin)
        name = f"{run.benchmark} (blind)" if run.results["blind"] else run.benchmark
        if name in runs:
            raise NoSuchRun(
                f"this folder has two runs of {name}: {runs[name].folder.name} and {folder.name}.",
                file=path,
                fix="Name one of the two.",
            )
        runs[name] = run
    return runs


def shared_benchmarks(paths: Sequence[Path], sides: Sequence[dict[str, FinishedRun]]) -> list[str]:
    """The benchmarks that every side has, with a word on the others; single runs are taken as they are."""
    if all(len(side) == 1 for side in sides):
        name = next(iter(sides[0]))
        for side in sides:
            side[name] = next(iter(side.values()))
        return [name]
    shared = [name for name in sides[0] if all(name in side for side in sides)]
    for path, side in zip(paths, sides, strict=True):
        if alone := [name for name in side if name not in shared]:
            complain(f"not compared, because not every folder has them: {', '.join(alone)} of {path}")
    if not shared:
        raise NoSuchRun(f"no benchmark is in all of {', '.join(map(str, paths))}.")
    return shared


def run_name(paths: Sequence[Path], number: int) -> str:
    """The path as typed; with its place where one is named twice."""
    path = paths[number]
    return str(path) if paths.count(path) == 1 else f"{path} #{number + 1}"


def _write(
    args: argparse.Namespace,
    comparisons: Sequence[Comparison],
    refused: Sequence[Refusal],
    regressed: Sequence[Comparison],
) -> None:
    from vlmbench.leaderboards.compare.document import junit_xml
    from vlmbench.leaderboards.compare.markdown import comparison_markdown
    from vlmbench.store import make_folder, write_text

    text = comparison_markdown(
        comparisons, refused, flips=args.flips, folder=args.markdown.parent if args.markdown else None
    )
    write_markdown(args.markdown, text)
    if args.junit:
        make_folder(args.junit.parent)
        write_text(args.junit, junit_xml(comparisons, refused, regressed))
