"""Write one self-contained HTML page for a run, down to every picture and answer.

    vlmbench report runs/demo/Shapes_DEV_EN
    vlmbench report runs/demo                            a page for each of the model's runs
    vlmbench report runs/base/CCBench runs/tuned/CCBench     both answers to every question
    vlmbench report runs/demo/Shapes_DEV_EN --row 17     a page that opens on that row
    vlmbench report training/                            the curves of metrics.jsonl

The page is report.html in the run folder; of two runs side by side, report-compared.html in the second's.
It loads nothing from the network and never executes text of a model.
"""

from __future__ import annotations

import argparse
import math
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.console import complain, print_json
from vlmbench.cli._shared.flags import add_data_dir_argument, add_format_argument, add_plugin_argument
from vlmbench.domain import RULE_SETS, RuleSet
from vlmbench.errors import RunFolderError, UnknownName, UsageError, UserError
from vlmbench.terminal.output import write
from vlmbench.terminal.screen import doing

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun
    from vlmbench.leaderboards.compare.nouns import Comparison
    from vlmbench.stats import Difference

PAGE = "report.html"
COMPARED = "report-compared.html"
_VERDICTS = {"better": "better", "worse": "worse", "cannot be told apart": "same"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `report`."""
    parser.add_argument(
        "runs", nargs="+", type=Path, metavar="RUN", help="run folders, or work folders of trainings"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the page to write; for several pages, their folder"
    )
    parser.add_argument("--row", metavar="ID", help="row that the page opens on (default: a wrong answer)")
    parser.add_argument("--each", action="store_true", help="one page for each run, even when two are named")
    add_data_dir_argument(parser)
    add_plugin_argument(parser)
    add_format_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Write the pages and print where they are."""
    sets = page_sets(args.runs, apart=args.each)
    if args.row is not None and (len(sets) > 1 or _are_trainings(sets[0])):
        raise UsageError("opens the page of one run, or of two side by side.", key="--row")
    places = targets(sets, args.out)
    pairs = zip(sets, places, strict=True)
    written = [write_page(folders, place, args, row=args.row) for folders, place in pairs]
    if args.format == "json":
        print_json(written)
    else:
        for page_ in written:
            write(f"{page_['page']}  {page_['bytes'] / 1e6:.1f} MB")
    return 0


def write_page(
    folders: Sequence[Path], target: Path, args: argparse.Namespace, *, row: str | None = None
) -> dict[str, Any]:
    """Write one page; returns its path, size, seconds and runs."""
    from vlmbench.report.page.compose import page_of_runs, page_of_trainings
    from vlmbench.store import make_folder, write_text

    started = time.perf_counter()
    with doing(f"reading {' and '.join(map(str, folders))}"):
        if _are_trainings(folders):
            page = page_of_trainings(folders)
        else:
            runs = _open(folders, args)
            _check_row(row, runs)
            page = page_of_runs(runs, difference=_difference(runs), row=row)
            _warn_what_is_missing(runs)
    make_folder(target.parent)
    write_text(target, page)
    seconds = round(time.perf_counter() - started, 2)
    facts = {"page": str(target), "bytes": target.stat().st_size, "seconds": seconds}
    return {**facts, "runs": [str(folder) for folder in folders]}


def page_sets(paths: Sequence[Path], *, apart: bool = False) -> list[tuple[Path, ...]]:
    """Which folders share a page: two that were named go side by side, anything else stands alone."""
    sides = [_folders(path) for path in paths]
    if len(paths) != 2 or apart:
        return [(folder,) for side in sides for folder in side]
    first, second = sides
    if len(first) == len(second) == 1:
        return [(first[0], second[0])]
    by_name = {folder.name: folder for folder in first}
    shared: list[tuple[Path, ...]] = [
        (by_name[folder.name], folder) for folder in second if folder.name in by_name
    ]
    if not shared:
        raise UsageError(
            f"{paths[0]} and {paths[1]} have no benchmark in common.", fix="Add --each for a page each."
        )
    return shared


def targets(sets: Sequence[tuple[Path, ...]], out: Path | None, *, flag: str = "--out") -> list[Path]:
    """The path of each page; `flag` is the option that `out` came from, for errors."""
    if out is not None and len(sets) == 1:
        if out.is_dir():
            raise UsageError("is a folder; name a file.", file=out, key=flag)
        return [out]
    names = [PAGE if len(folders) == 1 else COMPARED for folders in sets]
    if out is None:
        return [folders[-1] / name for folders, name in zip(sets, names, strict=True)]
    if out.is_file():
        raise UsageError(
            f"is a file, but there are {len(sets)} pages to write: name a folder.", file=out, key=flag
        )
    called = ["-".join((f.resolve().parent.name, f.resolve().name)) for *_, f in sets]
    plain = [re.sub(r"[^\w.=+-]+", "_", name).strip("._") for name in called]
    return [
        out / f"{name}{'' if plain.index(name) == number else f'-{number + 1}'}.html"
        for number, name in enumerate(plain)
    ]


def _folders(path: Path) -> list[Path]:
    from vlmbench.report.page.training import is_training
    from vlmbench.report.runs import run_folders

    return [path] if is_training(path) else run_folders(path)


def _are_trainings(folders: Sequence[Path]) -> bool:
    from vlmbench.report.page.training import is_training

    kinds = {is_training(folder) for folder in folders}
    if len(kinds) > 1:
        raise UsageError(
            "a training and an evaluation cannot share a page.", fix="Add --each for a page each."
        )
    return kinds.pop()


def _open(folders: Sequence[Path], args: argparse.Namespace) -> list[FinishedRun]:
    from vlmbench.report.runs import open_run

    runs = [open_run(folder, data_dir=args.data_dir, plugins=args.plugin) for folder in folders]
    if len(runs) == 2 and (reason := _other_questions(*runs)):
        raise RunFolderError(
            f"{folders[0]} and {folders[1]} were not asked the same questions: {reason}.",
            fix="Add --each for a page each.",
        )
    return runs


def _check_row(row: str | None, runs: Sequence[FinishedRun]) -> None:
    known = dict.fromkeys(sample.id for run in runs for sample in run.questions.samples)
    if row is not None and row not in known:
        raise UnknownName("row", row, known)


def _warn_what_is_missing(runs: Sequence[FinishedRun]) -> None:
    """Print why a page lacks answers or pictures."""
    from vlmbench.report.page.questions import answers_kept

    for run in runs:
        if not answers_kept(run):
            complain(f"{run.folder}: its answers were not kept, so the page has only figures and verdicts.")
    if any(run.questions.images is not None for run in runs):
        return
    why = runs[0].questions.missing
    fix = "" if "--data-dir" in why else " --data-dir DIR names the folder of the benchmark's file."
    complain(f"{runs[0].folder}: the page shows no pictures: {why}{fix}")


def _other_questions(first: FinishedRun, second: FinishedRun) -> str | None:
    if first.benchmark != second.benchmark:
        return f"{first.benchmark} and {second.benchmark}"
    if first.facts.get("dataset") != second.facts.get("dataset"):
        return f"two different files of {first.benchmark}"
    return None


def _difference(runs: Sequence[FinishedRun]) -> Mapping[str, Any] | None:
    """How far apart two runs are under each rule set; None of a single run."""
    return {rules: _difference_under(rules, runs) for rules in RULE_SETS} if len(runs) == 2 else None


def _difference_under(rules: RuleSet, runs: Sequence[FinishedRun]) -> Mapping[str, Any]:
    """By the test that `vlmbench compare` uses, whole and by category, or why it refuses."""
    from vlmbench.leaderboards.compare.compare import compare

    first, second = runs
    try:
        found = compare(first, second, rules=rules, common=True)
    except UserError as error:
        return {"reason": str(error)}
    return {
        "verdict": _VERDICTS[found.verdict],
        "fraction": found.fraction,
        "unit_fraction": found.unit_fraction,
        "unit": found.unit,
        "units": found.units,
        "quantity": _quantity(found),
        "left_out": found.left_out,
        "notes": found.notes,
        **_tested(found.difference),
        "by_row": found.by_row and {**_tested(found.by_row.difference), "units": found.by_row.rows},
        "categories": [[c.level, c.name, c.difference.value, c.adjusted_p] for c in found.categories],
    }


def _quantity(found: Comparison) -> str | None:
    """The figure that the difference is of; None for a mean over rows that is not the headline."""
    if found.measure or found.unit == "question":
        return found.measure or found.first.headline_name
    sides = (found.first, found.second)
    same = all(s.headline is not None and math.isclose(s.headline, s.value, abs_tol=1e-9) for s in sides)
    return found.first.headline_name if same else None


def _tested(difference: Difference) -> dict[str, Any]:
    return {
        "value": difference.value,
        "ci95": difference.ci95,
        "p": difference.p,
        "test": difference.test,
        "n": difference.n,
        "smallest": difference.smallest,
    }
