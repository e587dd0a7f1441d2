"""Build a leaderboard page of finished runs, beside published figures.

    vlmbench leaderboard build --runs runs --out site

This writes index.html (one file, needs no network), leaderboard.md, .csv and .json, badge.svg and badge.json.
Complete runs on the same questions are ranked in bands: paired tests cannot tell the models of a band apart.
Incomplete, partial and blind runs are listed separately; folders that cannot be read are listed with the
reason. With --reports every figure links to the report page of its run, in reports/.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.api.board import BoardRequest, build, write_board
from vlmbench.cli._shared.console import complain, print_json, stdout
from vlmbench.cli._shared.flags import add_data_dir_argument, add_format_argument, add_plugin_argument
from vlmbench.cli._shared.tables import print_rows
from vlmbench.domain import RULE_SETS
from vlmbench.plain_text import visible
from vlmbench.terminal.screen import doing

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun
    from vlmbench.leaderboards.board.nouns import Board

FAILED = 1


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
    add_format_argument(parser, "tsv")


def execute(args: argparse.Namespace) -> int:
    """Read, rank, write; name the folders that could not be read."""
    with doing(f"reading the runs below {', '.join(map(str, args.runs))}"):
        board, runs = build(request_of(args), complain)
        files = write_board(replace(board, reports=_reports(board, runs, args)), args.out)
    for refused in board.refused:
        complain(visible(f"{refused.folder} is refused: {refused.reason}", 1000))
    if args.format == "json":
        print_json(_summary(board, files))
    elif args.format == "tsv":
        print_rows([{"file": name, "bytes": size} for name, size in files.items()], "tsv")
    else:
        _print(board, files)
    return FAILED if board.refused and not board.entries and not board.apart else 0


def request_of(args: argparse.Namespace) -> BoardRequest:
    """The command line as a value."""
    return BoardRequest(
        roots=tuple(args.runs),
        rules=args.rules,
        published=not args.no_published,
        data_dir=args.data_dir,
        plugins=tuple(args.plugin),
    )


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
    console.print(f"{counts}; {len(board.apart)} runs listed apart, {len(board.refused)} folders refused")
    for name, size in files.items():
        console.print(f"{name}  {size:,} bytes")
