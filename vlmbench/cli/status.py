"""Show how far a run is, from another terminal.

    vlmbench status runs/demo/Shapes_DEV_EN
    vlmbench status runs/demo/Shapes_DEV_EN --watch

This only reads the run folder and never disturbs the run. Whether the run's process is alive is known from
the folder's lock, which is released when the process ends.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.chinese import translated
from vlmbench.cli._shared.console import print_json, stdout
from vlmbench.cli._shared.flags import add_format_argument
from vlmbench.cli._shared.tables import FORMATS, print_rows
from vlmbench.draws import first_draws
from vlmbench.engine.batch_record import read_jobs
from vlmbench.engine.status import RunStatus, read_status
from vlmbench.errors import UserError
from vlmbench.files.regular import is_there
from vlmbench.store import RUN, is_locked, read_responses, read_run
from vlmbench.terminal.output import write
from vlmbench.terminal.progress import clock
from vlmbench.terminal.screen import is_live

if TYPE_CHECKING:
    from rich.console import RenderableType

SHOWN_ERRORS = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `status`."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--watch", action="store_true", help="update every second until the run ends")
    add_format_argument(parser, "tsv")


def execute(args: argparse.Namespace) -> int:
    """Print it once, or until the run is over."""
    show = dict(zip(FORMATS, (_print_table, _print_tabbed, print_json), strict=True))[args.format]
    if not args.watch:
        show(status_of(args.run))
        return 0
    try:
        if args.format == "table" and sys.stdout.isatty() and is_live():
            _watch_on_terminal(args.run)
        else:
            _watch_in_pipe(args.run, show if args.format != "table" else _print_line)
    except KeyboardInterrupt:
        return 130  # only the watching was stopped, not the run
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
    """Flush after each line: the reader of a pipe gets it at once."""
    while True:
        document = status_of(run)
        show(document)
        sys.stdout.flush()
        if not document["alive"]:
            return
        time.sleep(1)


def _print_table(document: dict[str, Any]) -> None:
    stdout().print(_table(document))


def _print_tabbed(document: dict[str, Any]) -> None:
    """One row: what is a list stands in the JSON."""
    flat = {name: value for name, value in document.items() if not isinstance(value, list)}
    print_rows([flat], "tsv")


def _print_line(document: dict[str, Any]) -> None:
    words = ((translated(name), translated(text)) for name, text in _lines(document)[1:])
    write(", ".join(f"{name} {text}".strip() for name, text in words))


def status_of(run: Path) -> dict[str, Any]:
    """The state of a run, from its folder."""
    kept = read_status(run)
    spec: dict[str, Any] = {}
    if kept is None or is_there(run / RUN):
        spec = read_run(run)["spec"]  # raises where this is not a run folder, or one of another version
    status = kept or RunStatus()
    alive = is_locked(run)
    responses = first_draws(read_responses(run), spec.get("samples", 1))
    errors = Counter(r.error or "" for r in responses.values() if r.finish == "error")
    done = len(responses) - errors.total()
    total = status.total or _total_of_results(run)
    rate = status.rows_per_second if alive else None
    left = max(total - status.done, 0) / rate if rate and total else None
    return {
        "run": str(run),
        "state": _state(status, alive),
        "alive": alive,
        "process": status.process,
        "host": status.host,
        "done": done,
        "total": total or None,
        "errors": errors.total(),
        "batch_jobs": _batch_jobs(run),
        "reasons": [{"error": e, "rows": n} for e, n in errors.most_common(SHOWN_ERRORS)],
        "rows_per_second": rate,
        "seconds_left": None if left is None else round(left, 1),
        "last_sign": status.written,
        "workers": list(status.workers) if alive else [],
    }


def _batch_jobs(run: Path) -> list[dict[str, Any]]:
    """What the server said of each batch job when the run asked last."""
    return [
        {"id": job.id, "state": job.state or "new", "done": job.done, "rows": len(job.rows), "read": job.read}
        for job in read_jobs(run)
    ]


def _total_of_results(run: Path) -> int:
    """The number of rows from results.json, for runs without a status file."""
    from vlmbench.report.runs import read_results

    try:
        document = read_results(run / "results.json")
    except UserError:
        return 0
    return int(document["draws"]["asked"] if "draws" in document else document["headline"]["rows"])


_STAGES = ("loading", "answering", "scoring", "running", "finished", "stopped")


def _state(status: RunStatus, alive: bool) -> str:
    stage = status.stage
    if alive:
        return stage if stage in _STAGES[:3] else _STAGES[3]
    if stage == "stopped" and status.reason:
        return f"stopped: {status.reason}"
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
        lines.add_row(translated(name), Text(translated(text)))
    if not document["workers"]:
        return lines
    workers = Table(box=None, pad_edge=False)
    for heading in ("worker", "state", "where", "answered", "errors", "in hand", "last answer", "replaced"):
        workers.add_column(translated(heading), justify="left" if heading in ("state", "where") else "right")
    for worker in document["workers"]:
        where = f"{worker['host']}:{worker['pid']}" if worker["host"] else ""
        quiet = translated(f"{clock(worker['quiet_seconds'])} ago")
        cells = ("done", "errors", "in_hand")
        state = Text(translated(worker["state"]))
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
    share = f"{done} of {total} ({done / total:.0%})" if total else str(done)
    process = f" (process {document['process']} on {document['host']})" if document["alive"] else ""
    lines = [("run", document["run"]), ("state", document["state"] + process), ("answered", share)]
    if document["rows_per_second"]:
        left = document["seconds_left"]
        pace = f"{document['rows_per_second']:.1f} rows/s"
        lines.append(("rate", pace + (f", {clock(left)} left" if left is not None else "")))
    for job in document["batch_jobs"]:
        read = "" if job["read"] else ", results not read yet"
        words = f"{job['id'] or 'being made'}: {job['state']}, {job['done']} of {job['rows']} done{read}"
        lines.append(("batch job", words))
    lines.append(("errors", str(document["errors"])))
    lines += [("", f"{reason['rows']} × {reason['error']}") for reason in document["reasons"]]
    return lines
