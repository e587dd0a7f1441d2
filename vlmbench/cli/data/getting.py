"""`vlmbench data get`: bring benchmarks and suites here, or say with `--dry-run` what that would take."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.benchmarks import find_benchmarks
from vlmbench.cli._shared.console import complain, print_line
from vlmbench.cli._shared.downloading import described, total_line
from vlmbench.cli._shared.parser import options
from vlmbench.cli._shared.tables import print_rows
from vlmbench.data.disk import in_bytes
from vlmbench.data.hub.reference import is_hub_reference
from vlmbench.data.locate import HUB
from vlmbench.domain import Benchmark, DataFile
from vlmbench.plain_text import printable
from vlmbench.terminal.screen import note

if TYPE_CHECKING:
    from vlmbench.data.fetch.lacking import Lacking


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `data get`."""
    options(parser, "get NAME …: benchmarks and suites").add_argument(
        "--dry-run", action="store_true", help="show sizes, sources and licences, and download nothing"
    )


def get(names: Sequence[str], args: argparse.Namespace) -> int:
    """Download what is not here, as one task; what is here already is named with its place."""
    from vlmbench.suites import expand

    asked = expand(names)
    if args.dry_run:
        return _plan(asked, args)
    benchmarks = find_benchmarks(args, asked)
    found = {b.card.name: _here(b, args) for b in benchmarks}
    rows = {name: _row(name, "here already", where) for name, where in found.items() if where}
    failures = _fetch([b for b in benchmarks if not found[b.card.name]], rows, args)
    if args.format != "table":
        print_rows([rows[name] for name in found if name in rows], args.format)
    elif len(benchmarks) == 1 and rows:
        (row,) = rows.values()
        now = " now" if row["state"] == "downloaded" else ""
        print_line(f"{_shown(benchmarks[0].card.file, row['where'])} is here{now}: {row['where']}")
    elif len(benchmarks) > 1:
        _print([rows[name] for name in found])
    return 1 if failures else 0


def _fetch(missing: Sequence[Benchmark], rows: dict[str, dict[str, Any]], args: argparse.Namespace) -> int:
    """Download these and add a row for each; the number of failures. That of a single benchmark is raised."""
    from vlmbench.data.fetch.fetching import fetch
    from vlmbench.data.fetch.lacking import download_folder, lacking_of, with_sizes

    if not missing:
        return 0
    into = download_folder(args.data_dir)
    wanted = with_sizes([lacking_of(b.card, args.data_dir) for b in missing], into)
    failures = 0
    for one, sized in zip(fetch(wanted, into), wanted, strict=True):
        if one.error is not None and len(rows) + len(missing) == 1:
            raise one.error
        state = "downloaded" if one.error is None else "failed"
        if one.error is not None:
            failures += 1
            complain(f"{one.benchmark}: {one.error}")
        rows[one.benchmark] = _row(one.benchmark, state, one.where, sized.size)
    return failures


def _plan(names: Sequence[str], args: argparse.Namespace) -> int:
    """A table of what is here and what is not; nothing is downloaded."""
    from vlmbench.data.fetch.lacking import Lacking, download_folder, lacking_of, with_sizes

    # A dataset of a hub that was named itself: finding it as a benchmark would read it.
    hub = [
        Lacking(benchmark=n, file=DataFile(name=n, dataset=n), as_dataset=True)
        for n in names
        if is_hub_reference(n)
    ]
    benchmarks = find_benchmarks(args, [name for name in names if not is_hub_reference(name)])
    here = {b.card.name: where for b in benchmarks if (where := _here(b, args, open_it=False))}
    wanted = [lacking_of(b.card, args.data_dir) for b in benchmarks if b.card.name not in here]
    into = download_folder(args.data_dir)
    missing = with_sizes([*wanted, *hub], into)
    licences = {b.card.name: b.card.licence for b in benchmarks}
    rows = [_row(name, "here already", where, licence=licences[name]) for name, where in here.items()]
    rows = [*rows, *map(_planned, missing)]
    if args.format != "table":
        print_rows(rows, args.format)
    else:  # licences are long: lines are easier to read than narrow columns
        lines = [f"  {name}  here already: {where}" for name, where in here.items()]
        for line in [*lines, *(line for one in missing for line in described(one, into))]:
            print_line(printable(line))
    if missing and args.format == "table":
        note(total_line(missing, into))
    return 0


def _planned(one: Lacking) -> dict[str, Any]:
    if not one.source:
        return _row(one.benchmark, "not offered for download", "", licence=one.licence)
    state = f"cannot be fetched: {one.trouble}" if one.trouble else "to download"
    return _row(one.benchmark, state, one.source, one.size, one.licence or f"see {one.page}")


def _row(
    benchmark: str, state: str, where: str, size: int | None = None, licence: str | None = None
) -> dict[str, Any]:
    row: dict[str, Any] = {"benchmark": benchmark, "state": state, "size": size, "where": where}
    return row if licence is None else {**row, "licence": licence}


def _print(rows: Sequence[dict[str, Any]]) -> None:
    shown = [{**row, "size": "" if row["size"] is None else in_bytes(row["size"])} for row in rows]
    print_rows(shown, prose=("state",))


def _here(benchmark: Benchmark, args: argparse.Namespace, *, open_it: bool = True) -> str:
    """Where its data is, as published; empty where it is not here. A dataset is opened, which verifies it."""
    from vlmbench.data.fetch.lacking import is_current, lacking_of
    from vlmbench.data.opening import has_hub_copy, open_data_file

    file = benchmark.card.file
    one = lacking_of(benchmark.card, args.data_dir)
    if not one.as_dataset:
        return str(is_current(one, args.data_dir) or "")
    if is_hub_reference(file.dataset) and not has_hub_copy(file):
        return ""
    return open_data_file(file, HUB).origin if open_it else file.dataset


def _shown(file: DataFile, where: str) -> str:
    """The file's name; without its ending where a dataset took its place."""
    return file.name if where.endswith(file.name) else file.name.removesuffix(".tsv")
