"""What the figures of a leaderboard open into: a report page a run, beside the board or below it."""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from vlmbench.cli.main import complain
from vlmbench.cli.report import PAGE
from vlmbench.errors import UserError
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun

FOLDER = "reports"
_LONGEST = 80
_OURS = re.compile(r".*-[0-9a-f]{8}\.html")


def written_reports(runs: Mapping[str, FinishedRun], args: argparse.Namespace) -> dict[str, str]:
    """A page for every run that has answers, and its address from the board, by the name of the folder."""
    from vlmbench.report.page.compose import page_of_runs
    from vlmbench.store import RESPONSES, make_folder, write_text

    links = {}
    for name, run in runs.items():
        if not (run.folder / RESPONSES).is_file():
            continue
        page = args.out / FOLDER / page_name(name)
        try:
            text = page_of_runs([run])
            make_folder(page.parent)
            write_text(page, text)
        except UserError as error:
            complain(visible(f"{name} has no report page: {error}", 1000))
            continue
        links[name] = quote(f"{FOLDER}/{page.name}")
    _forget(args.out / FOLDER, set(map(page_name, links)))
    return links


def _forget(folder: Path, written: set[str]) -> None:
    """Remove the pages of earlier builds: a run that was taken from the board is not published beside it."""
    for page in folder.glob("*.html"):
        if _OURS.fullmatch(page.name) and page.name not in written:
            page.unlink(missing_ok=True)


def found_reports(runs: Mapping[str, FinishedRun], out: Path) -> dict[str, str]:
    """Pages that `vlmbench report` has left in run folders, where these lie below the board's own folder."""
    home = out.resolve()
    pages = {name: (run.folder / PAGE).resolve() for name, run in runs.items()}
    return {
        name: quote(bytes(page.relative_to(home)))
        for name, page in pages.items()
        if page.is_relative_to(home) and page.is_file()
    }


def page_name(folder: str) -> str:
    """The same for the same folder, whatever else is on the board, and unlike any other's."""
    plain = re.sub(r"[^A-Za-z0-9_.=+-]+", "-", folder).strip("-.")[:_LONGEST]
    return f"{plain}-{hashlib.sha256(folder.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}.html"
