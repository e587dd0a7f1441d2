"""What `vlmbench run` leaves behind: one table, summary.json, JUnit XML, Markdown, and the exit code."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from vlmbench.api.run.names import RUNS
from vlmbench.cli._shared.ci import write_markdown
from vlmbench.cli._shared.console import INCOMPLETE, complain, print_json, stdout
from vlmbench.cli._shared.tables import print_rows
from vlmbench.plain_text import visible
from vlmbench.report.matrix.cells import MatrixCell, MatrixSummary
from vlmbench.report.tables import figure_text
from vlmbench.terminal.output import write

FAILED, GATE_FAILED = 1, 3
SHORTENED = 100
"""Characters of a failure's reason in the table of one model; stderr has all of it."""


def print_all(args: argparse.Namespace, cells: Sequence[MatrixCell], *, matrix: bool) -> None:
    """The table of one model's benchmarks, or of the whole matrix; one benchmark has been printed."""
    documents = [cell.document for cell in cells if cell.document is not None]
    if args.format == "tsv":
        print_rows([{"model": cell.name, **_row(cell)} for cell in cells], "tsv")
    elif matrix:
        _print_matrix(args, MatrixSummary(cells))
    elif args.format == "json":
        print_json(documents[0] if len(cells) == 1 and documents else documents)
    elif len(cells) > 1:
        write("")
        print_rows([_row(cell) for cell in cells], prose=("figure", "state"), least=("95 %", "n"))


def _print_matrix(args: argparse.Namespace, summary: MatrixSummary) -> None:
    from vlmbench.report.matrix.document import summary_document
    from vlmbench.report.matrix.table import print_summary

    if args.format == "json":
        print_json(summary_document(summary))
    else:
        write("")
        print_summary(summary, console=stdout())


def write_all(args: argparse.Namespace, cells: Sequence[MatrixCell], *, matrix: bool) -> None:
    """The files: summary.json of a matrix, and what was asked for."""
    from vlmbench.report.matrix.document import FILE, summary_document, summary_junit
    from vlmbench.report.matrix.markdown import summary_markdown
    from vlmbench.store import make_folder, write_json, write_text

    summary = MatrixSummary(cells)
    if matrix:
        folder = args.out or RUNS
        make_folder(folder)
        write_json(folder / FILE, summary_document(summary))
    if args.junit:
        make_folder(args.junit.parent)
        write_text(args.junit, summary_junit(summary))
    if args.markdown or matrix:
        write_markdown(args.markdown, summary_markdown(summary))


def exit_code(cells: Sequence[MatrixCell]) -> int:
    """3 if a gate failed, else 1 if a run or a gate could not be made, else 4 if rows are missing."""
    failed = [(cell, gate) for cell in cells for gate in cell.gates if gate.state != "passed"]
    for cell, gate in failed:
        complain(f"gate {gate.state}: {cell.name}, {cell.benchmark}, {gate.gate}: {gate.reason}")
    if any(gate.state == "failed" for _, gate in failed):
        return GATE_FAILED
    if failed or any(cell.document is None or not cell.logged for cell in cells):
        return FAILED
    return 0 if all(cell.complete for cell in cells) else INCOMPLETE


def _row(cell: MatrixCell) -> dict[str, Any]:
    """One line a benchmark: its headline, or why there is none."""
    row = dict.fromkeys(("benchmark", "figure", "score", "95 %", "n", "state"), "")
    row["benchmark"] = cell.benchmark
    if cell.document is None:
        return row | {"state": visible(cell.state, SHORTENED + len("failed: "))}
    headline = cell.document["headline"]
    ends = [figure_text({**headline, "value": end}) for end in headline["ci95"] or ()]
    return row | {
        "figure": headline["name"],
        "score": figure_text(headline) or cell.score,
        "95 %": "–".join(ends),
        "n": headline["n"],
        "state": cell.state,
    }
