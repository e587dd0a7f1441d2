"""Benchmark files that a command lacks: their sizes, sources and licences, and whether the user wants them.

Nothing is downloaded unasked: on a terminal one question names all of it, elsewhere only `--download` does.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.chinese import translated
from vlmbench.cli._shared.console import complain
from vlmbench.cli._shared.parser import options
from vlmbench.data.disk import free_bytes, in_bytes
from vlmbench.domain import Benchmark
from vlmbench.errors import UsageError
from vlmbench.plain_text import printable
from vlmbench.terminal.screen import note

if TYPE_CHECKING:
    from vlmbench.data.fetch.lacking import Lacking

_YES = ("y", "yes", "是")


def add_download_argument(parser: argparse.ArgumentParser) -> None:
    """Consent ahead of the question."""
    options(parser, "machine and files").add_argument(
        "--download", action="store_true", help="get benchmark files that are missing unasked"
    )


def fetch_missing(
    benchmarks: Sequence[Benchmark], args: argparse.Namespace, *, limited: bool = False
) -> None:
    """Download what these benchmarks lack, where the user agrees; a UsageError where that is not known.

    `limited`: of a hub's dataset not everything is needed, so it comes while it is read.
    """
    from vlmbench.data.download import is_offline
    from vlmbench.data.fetch.lacking import download_folder, lacking, with_sizes

    missing = [one for one in lacking((b.card for b in benchmarks), args.data_dir) if one.source]
    if not missing:
        return
    if is_offline():
        raise _not_here(missing, args, " where HF_HUB_OFFLINE is not set")
    if not args.download and not _may_ask():
        raise _not_here(missing, args, ", or add --download to this command")
    into = download_folder(args.data_dir)
    missing = with_sizes(missing, into)
    whole = [one for one in missing if not (limited and one.as_dataset)]
    _print(missing, whole, into)
    if not args.download and not _agreed():
        raise _not_here(missing, args, "")
    if whole:
        _fetch(whole, into, len(benchmarks))


def _fetch(missing: Sequence[Lacking], into: Path, benchmarks: int) -> None:
    """One that fails ends the command if it is the only benchmark; of several, only its own run."""
    from vlmbench.data.fetch.fetching import fetch

    for one in fetch(missing, into):
        if one.error is not None and benchmarks == 1:
            raise one.error
        if one.error is not None:
            complain(f"{one.benchmark}: {one.error}")


def _not_here(missing: Sequence[Lacking], args: argparse.Namespace, otherwise: str) -> UsageError:
    names = [one.benchmark for one in missing]
    words = ["vlmbench", "data", "get", *names]
    for plugin in getattr(args, "plugin", []):
        words += ["--plugin", str(plugin)]
    if args.data_dir is not None:
        words += ["--data-dir", str(args.data_dir)]
    what = f"not on this machine: {', '.join(names)}."
    return UsageError(what, fix=f"Get with `{shlex.join(words)}`{otherwise}.")


def _may_ask() -> bool:
    """Whether somebody sits at a terminal."""
    if os.environ.get("CI") or sys.stdin is None or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return False
    # In the background, reading would stop the process.
    return not hasattr(os, "tcgetpgrp") or os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()


def _agreed() -> bool:
    sys.stderr.write(translated("Download all of it? [y/N] "))
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in _YES


def _print(missing: Sequence[Lacking], whole: Sequence[Lacking], into: Path) -> None:
    note("Not on this machine:")
    for one in missing:
        for line in described(one, into):
            note(printable(line))
        if one not in whole:
            note("    only the pictures that are asked about are downloaded of it")
    if whole:
        note(total_line(whole, into))


def described(one: Lacking, into: Path) -> Iterable[str]:
    """A benchmark's data in two lines: size and source, then its licence."""
    from vlmbench.data.hub.reference import is_hub_reference

    if not one.source:
        yield f"  {one.benchmark}  nobody offers it for download: put {one.file.name} into {into} yourself"
        return
    if one.size is None:
        yield f"  {one.benchmark}  size not known, from {one.source}"
    else:
        came = f", {in_bytes(one.came)} of it here" if one.came else ""
        yield f"  {one.benchmark}  {in_bytes(one.size)}{came}, from {one.source}"
    if one.trouble:
        also = f" Else it comes from {one.file.dataset}." if is_hub_reference(one.file.dataset) else ""
        yield f"    {one.trouble}{also if not one.as_dataset else ''}"
    yield f"    licence: {one.licence or f'see {one.page}'}"


def total_line(missing: Sequence[Lacking], into: Path) -> str:
    """What all of it takes, and what is free."""
    known = [one for one in missing if one.size is not None]
    if not known:
        return f"no size is known; {in_bytes(free_bytes(into))} free in {into}"
    files = in_bytes(sum((one.size or 0) - one.came for one in known))
    amount = f"at least {files}" if len(known) < len(missing) else files
    tables = sum(one.decoded for one in known)
    return (
        f"{amount} to download, about {in_bytes(tables)} more for decoded tables; "
        f"{in_bytes(free_bytes(into))} free in {into}"
    )
