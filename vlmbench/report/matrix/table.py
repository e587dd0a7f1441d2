"""A summary on the terminal: models by benchmarks where that fits, else a line for each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vlmbench.plain_text import visible
from vlmbench.report.matrix.cells import MatrixSummary

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

LEGEND = (
    "score ± half of its 95 % interval, or the interval; * highest of its benchmark (compare tests whether "
    "by more than chance); "
    "? rows have no answer"
)


def print_summary(summary: MatrixSummary, *, console: Console) -> None:
    """Print every cell, then why some are not complete, then the gates."""
    console.print(_table(summary, console))
    console.print(_text(LEGEND, console, "dim"))
    for note in summary.notes:
        console.print(_text(visible(note, 240), console, "yellow"))
    for cell, gate in summary.gates:
        style = "green" if gate.state == "passed" else "bold red"
        line = f"{gate.state}: {cell.name}, {cell.benchmark}, {gate.gate}: {gate.reason}"
        console.print(_text(line, console, style))


def _table(summary: MatrixSummary, console: Console) -> Table:
    from rich.table import Table

    columns, rows = ["model", *summary.benchmarks], _wide(summary)
    widths = (max(map(len, column)) + 2 for column in zip(columns, *rows, strict=True))
    if sum(widths) - 2 > console.width:
        columns, rows = ["benchmark", "model", "score"], _long(summary)
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for number, column in enumerate(columns):
        figures = column == "score" if columns[0] == "benchmark" else number > 0
        table.add_column(
            _text(column, console), justify="right" if figures else "left", overflow="fold", no_wrap=figures
        )
    for row in rows:
        table.add_row(*(_text(cell, console, "bold" if cell.endswith("*") else "") for cell in row))
    return table


def _wide(summary: MatrixSummary) -> list[list[str]]:
    """A row for each model under each setting."""
    return [
        [name, *(marked(summary, name, benchmark) for benchmark in summary.benchmarks)]
        for name in summary.names
    ]


def _long(summary: MatrixSummary) -> list[list[str]]:
    """A row for each cell, by benchmark."""
    pairs = [(benchmark, name) for benchmark in summary.benchmarks for name in summary.names]
    return [[b, name, marked(summary, name, b)] for b, name in pairs if summary.cell(name, b)]


def marked(summary: MatrixSummary, name: str, benchmark: str) -> str:
    """A cell's figure with its mark; empty where the setting does not ask the benchmark."""
    cell = summary.cell(name, benchmark)
    if cell is None:
        return ""
    if not cell.complete:
        return f"{cell.score} ?"
    return f"{cell.score} *" if summary.is_best(cell) else cell.score


def _text(text: str, console: Console, style: str = "") -> Text:
    """Without markup, control characters, or what the terminal cannot write."""
    from rich.text import Text

    return Text(visible(text, 1000).encode(console.encoding, "replace").decode(console.encoding), style)
