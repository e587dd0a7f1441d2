"""How a run is doing, from another terminal.

    vlmbench status runs/demo/Shapes_DEV_EN
    vlmbench status runs/demo/Shapes_DEV_EN --watch

Reads the run folder only; a run is never disturbed. A run whose process died is told from a live one by the
folder's lock, which dies with its holder.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.console import print_json, stdout
from vlmbench.cli._shared.flags import add_format_argument
from vlmbench.files.json_files import object_or_none
from vlmbench.progress import clock
from vlmbench.store import RUN, STATUS, is_locked, read_responses, read_run

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN_ERRORS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `status`."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--watch", action="store_true", help="again every second, until the run ends")
    add_format_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Print it once, or until the run is over."""
    show = print_json if args.format == "json" else _print_table
    if not args.watch:
        show(status_of(args.run))
        return 0
    try:
        if args.format == "table" and sys.stdout.isatty():
            _watch_on_terminal(args.run)
        else:
            _watch_in_pipe(args.run, print_json if args.format == "json" else _print_line)
    except KeyboardInterrupt:
        return 130  # only the looking has stopped, and whoever stopped it knows
    return 0


def _watch_on_terminal(run: Path) -> None:
    from rich.live import Live

    document = status_of(run)
    with Live(_table(document), console=stdout(), auto_refresh=False) as live:
        while document["alive"]:
            time.sleep(1)
            document = status_of(run)
            live.update(_table(document), refresh=True)


def _watch_in_pipe(run: Path, show: Callable[[dict[str, Any]], None]) -> None:
    """A reader of a pipe gets each sign of life when it is given."""
    while True:
        document = status_of(run)
        show(document)
        sys.stdout.flush()
        if not document["alive"]:
            return
        time.sleep(1)


def _print_table(document: dict[str, Any]) -> None:
    stdout().print(_table(document))


def _print_line(document: dict[str, Any]) -> None:
    print(", ".join(f"{name} {text}".strip() for name, text in _lines(document)[1:]))


def status_of(run: Path) -> dict[str, Any]:
    """What a run folder tells about its run."""
    told = _told(run)
    if not told or (run / RUN).exists():
        read_run(run)  # says what is wrong with a folder that is none, or of another version
    alive = is_locked(run)
    responses = read_responses(run)
    errors = Counter(r.error or "" for r in responses.values() if r.finish == "error")
    done = len(responses) - errors.total()
    total = told.get("total") or _total_of_results(run)
    rate = told.get("rows_per_second") if alive else None
    left = max(total - told.get("done", 0), 0) / rate if rate and total else None
    return {
        "run": str(run),
        "state": _state(told, alive),
        "alive": alive,
        "process": told.get("process"),
        "host": told.get("host"),
        "done": done,
        "total": total or None,
        "errors": errors.total(),
        "reasons": [{"error": e, "rows": n} for e, n in errors.most_common(SHOWN_ERRORS)],
        "rows_per_second": rate,
        "seconds_left": None if left is None else round(left, 1),
        "last_sign": told.get("written"),
        "workers": told.get("workers", []) if alive else [],
    }


def _told(run: Path) -> dict[str, Any]:
    """The last word of the run's process; empty when there is none."""
    return object_or_none(run / STATUS) or {}


def _total_of_results(run: Path) -> int:
    """For a run that finished before there was a status file."""
    document = object_or_none(run / "results.json") or {}
    try:
        return int(document["headline"]["rows"])
    except (ValueError, KeyError, TypeError):
        return 0


def _state(told: dict[str, Any], alive: bool) -> str:
    stage = str(told.get("stage", ""))
    if alive:
        return stage if stage in ("loading", "answering", "scoring") else "running"
    if stage == "stopped" and told.get("reason"):
        return f"stopped: {told['reason']}"
    if stage in ("finished", "stopped", ""):
        return stage or "not running"
    return f"its process died while {stage}; the same command continues"


def _table(document: dict[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    lines = Table(box=None, show_header=False, pad_edge=False)
    lines.add_column(style="bold")
    lines.add_column(overflow="fold")
    for name, text in _lines(document):
        lines.add_row(name, Text(text))
    if not document["workers"]:
        return lines
    workers = Table(box=None, pad_edge=False)
    for heading in ("worker", "state", "where", "answered", "errors", "in hand", "last answer", "replaced"):
        workers.add_column(heading, justify="left" if heading in ("state", "where") else "right")
    for worker in document["workers"]:
        where = f"{worker['host']}:{worker['pid']}" if worker["host"] else ""
        quiet = f"{clock(worker['quiet_seconds'])} ago"
        cells = ("done", "errors", "in_hand")
        state = Text(worker["state"])
        workers.add_row(
            str(worker["worker"]),
            state,
            where,
            *(str(worker[c]) for c in cells),
            quiet,
            str(worker["replaced"]),
        )
    return Group(lines, Text(), workers)


def _lines(document: dict[str, Any]) -> list[tuple[str, str]]:
    total, done = document["total"], document["done"]
    share = f" of {total} ({done / total:.0%})" if total else ""
    process = f" (process {document['process']} on {document['host']})" if document["alive"] else ""
    lines = [("run", document["run"]), ("state", document["state"] + process), ("answered", f"{done}{share}")]
    if document["rows_per_second"]:
        left = document["seconds_left"]
        pace = f"{document['rows_per_second']:.1f} rows/s"
        lines.append(("rate", pace + (f", {clock(left)} left" if left is not None else "")))
    lines.append(("errors", str(document["errors"])))
    lines += [("", f"{reason['rows']} × {reason['error']}") for reason in document["reasons"]]
    return lines
