"""Build a leaderboard page of finished runs, beside published figures.

    vlmbench leaderboard build --runs runs --out site

This writes index.html (one file, needs no network), leaderboard.md, .csv and .json, badge.svg and badge.json.
Complete runs on the same questions are ranked in bands: paired tests cannot tell the models of a band apart.
Incomplete, partial and blind runs are listed separately; folders that cannot be read are listed with the
reason. With --reports every figure links to the report page of its run, in reports/.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import stat
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.console import complain, print_json, stdout
from vlmbench.cli._shared.flags import add_data_dir_argument, add_format_argument, add_plugin_argument
from vlmbench.domain import RULE_SETS, Card
from vlmbench.errors import RunFolderError, UnknownName, UsageError, UserError
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun
    from vlmbench.leaderboards.board.nouns import Board, Refused

FAILED = 1
_MARKS = frozenset({"run.json", "results.json"})
_READ = ("run.json", "results.json", "scores.jsonl", "responses.jsonl", "pictures.jsonl", "predictions.xlsx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `leaderboard`."""
    parser.add_argument("action", choices=("build",), help="build: write the page and its files")
    parser.add_argument(
        "--runs",
        nargs="+",
        type=Path,
        required=True,
        metavar="DIR",
        help="folders to search for run folders",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder for the files")
    parser.add_argument(
        "--rules", choices=RULE_SETS, default="strict", help="rule set of every figure (default: strict)"
    )
    parser.add_argument(
        "--reports",
        action="store_true",
        help="also write the report page of every run and link its figures to it",
    )
    parser.add_argument("--no-published", action="store_true", help="leave out the published tables")
    add_data_dir_argument(parser)
    add_plugin_argument(parser)
    add_format_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Read, rank, write; name the folders that could not be read."""
    with _garbage_collection_off():
        board, runs = _build(args)
    files = write_board(replace(board, reports=_reports(board, runs, args)), args.out)
    for refused in board.refused:
        complain(visible(f"{refused.folder} is refused: {refused.reason}", 1000))
    if args.format == "json":
        print_json(_summary(board, files))
    else:
        _print(board, files)
    return FAILED if board.refused and not board.entries and not board.apart else 0


@contextlib.contextmanager
def _garbage_collection_off() -> Iterator[None]:
    """Thousands of results live until the board is built: garbage collection would only scan them."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def find_runs(roots: Sequence[Path]) -> dict[str, Path]:
    """Run folders below the roots, by a name without the path of the roots."""
    found: dict[str, Path] = {}
    seen: set[Path] = set()
    for prefix, root in zip(_root_names(roots), roots, strict=True):
        if not root.is_dir():
            raise RunFolderError("there is no such folder.", file=root, key="--runs")
        home = root.resolve()
        for folder in _run_folders(root):
            inside = folder.relative_to(root)
            if home / inside not in seen:
                seen.add(home / inside)
                name = (prefix / inside).as_posix() if prefix / inside != Path() else home.name
                found[unique_name(name, found)] = folder
    if not found:
        raise RunFolderError(
            "there is no run folder in it or below it.",
            file=", ".join(map(str, roots)),
            key="--runs",
            fix="`vlmbench run` writes runs/MODEL/BENCH: try `--runs runs`.",
        )
    return found


def _root_names(roots: Sequence[Path]) -> list[Path]:
    """A name for each of several roots, numbered where two are the same; none for a single root."""
    if len(roots) == 1:
        return [Path()]
    taken: list[str] = []
    for root in roots:
        taken.append(unique_name(root.resolve().name, taken))
    return [Path(name) for name in taken]


def unique_name(name: str, taken: Container[str]) -> str:
    """The name, numbered where it is taken."""
    again = (f"{name}-{number}" for number in count(2))
    return name if name not in taken else next(other for other in again if other not in taken)


def drawn_names(names: Iterable[str]) -> dict[str, str]:
    """Each folder's name as it is shown: without control characters, and unique."""
    drawn: dict[str, str] = {}
    taken: set[str] = set()
    for name in sorted(names, key=lambda name: (visible(name) != name, name)):
        drawn[name] = unique_name(visible(name) or "�", taken)
        taken.add(drawn[name])
    return drawn


def write_board(board: Board, out: Path) -> dict[str, int]:
    """Write every file; returns their sizes. Equal boards give equal bytes."""
    from vlmbench.leaderboards.board.exports import board_csv, board_json, board_markdown
    from vlmbench.leaderboards.board.page import badge_svg, board_page, shields_json

    texts = {
        "index.html": board_page(board),
        "leaderboard.md": board_markdown(board),
        "leaderboard.csv": board_csv(board),
        "leaderboard.json": board_json(board),
        "badge.svg": badge_svg(board),
        "badge.json": shields_json(board),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (out / name).write_bytes(text.encode("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot be written ({error.strerror}).", file=out, key="--out") from None
    return {name: (out / name).stat().st_size for name in texts}


def _build(args: argparse.Namespace) -> tuple[Board, dict[str, FinishedRun]]:
    from vlmbench.leaderboards.board.build import build_board
    from vlmbench.leaderboards.board.published import published_tables

    runs, refused = _open(find_runs(args.runs), args)
    published = [] if args.no_published else published_tables()
    board = build_board(
        runs,
        refused,
        rules=args.rules,
        cards=_cards({run.benchmark for run in runs.values()}, args.plugin),
        quoted=published,
    )
    return board, runs


def _reports(board: Board, runs: Mapping[str, FinishedRun], args: argparse.Namespace) -> dict[str, str]:
    """The link from each run on the board to its report page."""
    from vlmbench.cli.leaderboard.reports import found_reports, written_reports

    shown = {apart.folder for apart in board.apart}
    shown |= {place.folder for entry in board.entries for place in entry.places.values()}
    here = {name: run for name, run in runs.items() if name in shown}
    links = written_reports(here, args) if args.reports else found_reports(here, args.out)
    # A run that was kept without its answers links to the report of its copy.
    copies = {a.detail: links[a.folder] for a in board.apart if a.why == "copy" and a.folder in links}
    return dict(sorted((copies | links).items()))


def _open(
    folders: Mapping[str, Path], args: argparse.Namespace
) -> tuple[dict[str, FinishedRun], list[Refused]]:
    from vlmbench.leaderboards.board.names import with_public_names, without_folders
    from vlmbench.leaderboards.board.nouns import Refused
    from vlmbench.report.runs import open_run

    runs: dict[str, FinishedRun] = {}
    refused: list[Refused] = []
    drawn = drawn_names(folders)
    for name, folder in sorted(folders.items()):
        try:
            _refuse_pipes(folder)
            runs[drawn[name]] = open_run(folder, data_dir=args.data_dir, plugins=args.plugin)
        except UserError as error:
            # A published page must not contain paths of this machine.
            reason = f"{Path(error.file).name}: {error.what}" if error.file else error.what
            shown = visible(without_folders(reason), 500)
            refused.append(Refused(folder=drawn[name], reason=shown))
    return with_public_names(runs), refused


def _refuse_pipes(folder: Path) -> None:
    """Raise RunFolderError for a pipe or a device: reading it might never end."""
    for name in _READ:
        with contextlib.suppress(OSError):
            if not stat.S_ISREG((folder / name).stat().st_mode):
                raise RunFolderError("this is not a regular file.", file=folder / name)


def _cards(benchmarks: Iterable[str], plugins: Sequence[Path]) -> dict[str, Card]:
    from vlmbench.registry import Registry

    registry = Registry(plugins)
    cards = {}
    for name in sorted(benchmarks):
        try:
            cards[name] = registry.benchmark(name).card
        except UserError as error:
            if not isinstance(error, UnknownName):
                complain(str(error))
    return cards


def _run_folders(root: Path) -> Iterable[Path]:
    """Sorted, top down; links are not followed, and nothing below a run folder is searched."""
    for folder, inside, files in os.walk(root):
        inside.sort()
        if _MARKS & set(files):
            inside.clear()
            yield Path(folder)


def _summary(board: Board, files: Mapping[str, int]) -> dict[str, Any]:
    return {
        "rules": board.rules,
        "columns": [column.key for column in board.columns],
        "models": [entry.name for entry in board.entries],
        "apart": len(board.apart),
        "refused": [{"folder": r.folder, "reason": r.reason} for r in board.refused],
        "quoted": sum(len(table.rows) for table in board.quoted),
        "files": dict(files),
    }


def _print(board: Board, files: Mapping[str, int]) -> None:
    console = stdout()
    counts = f"{len(board.entries)} models, {len(board.columns)} columns, rules {board.rules}"
    console.print(
        f"{counts}; {len(board.apart)} runs listed apart, {len(board.refused)} folders refused", markup=False
    )
    for name, size in files.items():
        console.print(f"{name}  {size:,} bytes", markup=False)
