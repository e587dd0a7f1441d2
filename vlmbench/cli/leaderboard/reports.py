"""The report pages that a leaderboard links to: written beside it, or found in run folders below it."""

from __future__ import annotations

import argparse
import functools
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from vlmbench.cli._shared.console import complain
from vlmbench.cli.report import PAGE
from vlmbench.errors import UserError
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun, Questions

FOLDER = "reports"
_LONGEST = 80
_OURS = re.compile(r".*-[0-9a-f]{8}\.html")
_HIDDEN = "<server>"
_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://(?P<host>[^\s/'\"`<>)\]}]*)[^\s'\"`<>)\]},;]*", re.IGNORECASE)
_HOST = re.compile(
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.]*\w)(?::\d+)?"  # 10.9.8.7:8000
    r"|\[[0-9a-f]*:[0-9a-f:]+\](?::\d+)?"  # [::1]:8000
    r"|(?<![\w.-])(?:[\w-]+\.)+[a-z][\w-]*:\d{2,5}\b|\blocalhost\b(?::\d+)?"
    r"|(?<=host=')[^']+|(?<=host=\")[^\"]+",
    re.IGNORECASE,
)


def written_reports(runs: Mapping[str, FinishedRun], args: argparse.Namespace) -> dict[str, str]:
    """Write a page for every run that has answers; returns its link by the name of the folder."""
    from vlmbench.report.page.compose import page_of_runs
    from vlmbench.store import RESPONSES, make_folder, write_text

    links = {}
    for name, run in runs.items():
        if not (run.folder / RESPONSES).is_file():
            continue
        page = args.out / FOLDER / page_name(name)
        try:
            text = page_of_runs([_anonymised(run)])
            make_folder(page.parent)
            write_text(page, text)
        except UserError as error:
            complain(visible(f"{name} has no report page: {error}", 1000))
            continue
        links[name] = quote(f"{FOLDER}/{page.name}")
    _remove_old_pages(args.out / FOLDER, set(map(page_name, links)))
    return links


def _remove_old_pages(folder: Path, written: set[str]) -> None:
    """Remove pages of earlier builds, so that a run removed from the board is not published beside it."""
    for page in folder.glob("*.html"):
        if _OURS.fullmatch(page.name) and page.name not in written:
            page.unlink(missing_ok=True)


def found_reports(runs: Mapping[str, FinishedRun], out: Path) -> dict[str, str]:
    """Links to pages that `vlmbench report` wrote into run folders below the board's own folder.

    Pages that an earlier build wrote beside the board are removed: nothing links to them any more.
    """
    _remove_old_pages(out / FOLDER, set())
    home = out.resolve()
    pages = {name: (run.folder / PAGE).resolve() for name, run in runs.items()}
    return {
        name: quote(bytes(page.relative_to(home)))
        for name, page in pages.items()
        if page.is_relative_to(home) and page.is_file()
    }


def page_name(folder: str) -> str:
    """A unique file name that depends on the folder's name only."""
    plain = re.sub(r"[^A-Za-z0-9_.=+-]+", "-", folder).strip("-.")[:_LONGEST]
    return f"{plain}-{hashlib.sha256(folder.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}.html"


def _anonymised(run: FinishedRun) -> FinishedRun:
    """The run with servers and folders cut out of its errors; the model's answers stay as they are."""
    from vlmbench.leaderboards.board.names import without_folders

    hosts = sorted(set(_hosts(run.spec)), key=len, reverse=True)

    @functools.cache
    def clean(text: str) -> str:
        shown = _HOST.sub(_HIDDEN, _ADDRESS.sub(_HIDDEN, text))
        for host in hosts:
            shown = re.sub(rf"(?<![\w.-]){re.escape(host)}(?:\.[\w.-]*\w)?(?::\d+)?(?![\w-])", _HIDDEN, shown)
        return without_folders(shown)

    def questions() -> Questions:
        samples = (replace(s, problem=clean(s.problem)) if s.problem else s for s in run.questions.samples)
        return replace(run.questions, samples=tuple(samples))

    return replace(
        run,
        read_questions=questions,
        read_responses=lambda: {
            i: replace(response, error=clean(response.error)) if response.error else response
            for i, response in run.responses.items()
        },
        # The reason of a row that failed is its error.
        read_scores=lambda: {
            rules: tuple(replace(score, reason=clean(score.reason)) for score in scores)
            for rules, scores in run.read_scores().items()
        },
    )


def _hosts(value: Any) -> Iterator[str]:
    """The servers of the run's own model and judge, which errors may name without an address."""
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _hosts(part)
    elif isinstance(value, str):
        for found in _ADDRESS.finditer(value):
            name = found["host"].rpartition("@")[2].partition(":")[0]
            if len(name) > 1:
                yield name
