"""A summary as Markdown, for a CI's summary page or a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vlmbench.plain_text import markdown
from vlmbench.report.matrix.cells import MatrixSummary
from vlmbench.report.matrix.table import LEGEND, marked

_MARKS = {"passed": "passed", "failed": "**failed**", "undecided": "**undecided**"}


def summary_markdown(summary: MatrixSummary) -> str:
    """Models by benchmarks, then every gate, then what is not complete."""
    lines = ["## vlmbench run", "", _row(["model", *(markdown(name) for name in summary.benchmarks)])]
    lines.append(f"|---|{'---:|' * len(summary.benchmarks)}")
    for name in summary.names:
        cells = [_cell(summary, name, benchmark) for benchmark in summary.benchmarks]
        lines.append(_row([markdown(name, 400), *cells]))
    lines += ["", markdown(LEGEND.replace("* highest", "bold: highest"), 400)]
    lines += [line for part in (_notes(summary), _gates(summary)) for line in part]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(summary: MatrixSummary, name: str, benchmark: str) -> str:
    text = marked(summary, name, benchmark)
    return f"**{markdown(text.removesuffix(' *'))}**" if text.endswith(" *") else markdown(text)


def _gates(summary: MatrixSummary) -> Iterator[str]:
    if summary.gates:
        yield from ("", "| gate | model | benchmark | | |", "|---|---|---|---|---|")
    for cell, gate in summary.gates:
        texts = (gate.gate, cell.name, cell.benchmark)
        yield _row(
            [*(markdown(text, 400) for text in texts), _MARKS[gate.state], markdown(gate.reason, 1000)]
        )


def _notes(summary: MatrixSummary) -> Iterator[str]:
    yield ""
    yield from (f"* {markdown(note, 1000)}" for note in summary.notes)
