"""The data of a summary: one cell for each model, setting and benchmark."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vlmbench.report.tables import figure_text, interval_text, is_lopsided

ALONE = ""
"""The setting of a run without settings."""
GateState = Literal["passed", "failed", "undecided"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """What became of one gate on one cell."""

    gate: str
    """What was asked for, in words."""
    state: GateState
    """`undecided`: there is no figure, or no baseline that can be compared."""
    reason: str
    """The figures that decided it, or why nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixCell:
    """One model under one setting on one benchmark."""

    name: str
    """What the run calls its model, the setting with it."""
    model: str
    """As it follows `--model`."""
    setting: str
    benchmark: str
    folder: str
    document: Mapping[str, Any] | None = None
    """results.json; None when the run failed."""
    failure: str = ""
    logged: bool = True
    """False where the experiment tracker did not get the figures."""
    seconds: float = 0.0
    gates: tuple[GateResult, ...] = ()

    @property
    def value(self) -> float | None:
        """The headline, in its own unit."""
        value: float | None = None if self.document is None else self.document["headline"]["value"]
        return value

    @property
    def complete(self) -> bool:
        """Whether every row has an answer."""
        return self.document is not None and bool(self.document["complete"])

    @property
    def score(self) -> str:
        """The figure as tables print it, with half of its interval or both ends; or why there is none."""
        if self.document is None:
            return "failed"
        headline = self.document["headline"]
        if headline["value"] is None:
            return "withheld" if self.document["withheld"] else "not scored"
        figure = figure_text(headline).removesuffix(" %")
        if not headline["ci95"]:
            return figure
        if is_lopsided(headline):
            return f"{figure} ({interval_text(headline)})"
        low, high = headline["ci95"]
        half = figure_text({**headline, "value": (high - low) / 2}).removesuffix(" %")
        return f"{figure} ± {half}"

    @property
    def state(self) -> str:
        """`complete`, or what keeps the figure from being that of the whole benchmark."""
        if self.document is None:
            return f"failed: {self.failure}"
        marks = [mark for mark in ("partial", "blind") if self.document[mark]]
        if self.score == "not scored":
            marks.append(f"no value for {self.document['headline']['name']}")
        if not self.complete:
            left = self.document["rows"]["asked"] - self.document["rows"]["answered"]
            marks.append(f"incomplete ({left} without an answer)" if left else "incomplete")
        return ", ".join(marks or ["complete"])


@dataclass(frozen=True, slots=True)
class MatrixSummary:
    """All cells, in the order in which they were asked for."""

    cells: Sequence[MatrixCell]

    @property
    def names(self) -> list[str]:
        """The rows of the table."""
        return list(dict.fromkeys(cell.name for cell in self.cells))

    @property
    def benchmarks(self) -> list[str]:
        """Its columns."""
        return list(dict.fromkeys(cell.benchmark for cell in self.cells))

    def cell(self, name: str, benchmark: str) -> MatrixCell | None:
        """One cell; None where a setting does not ask that benchmark."""
        return next((c for c in self.cells if (c.name, c.benchmark) == (name, benchmark)), None)

    def is_best(self, cell: MatrixCell) -> bool:
        """Whether no complete run of the benchmark has a higher figure, and another has a lower one."""
        found = [
            c.value
            for c in self.cells
            if c.benchmark == cell.benchmark and c.complete and c.value is not None
        ]
        return cell.complete and cell.value is not None and cell.value == max(found) > min(found)

    @property
    def notes(self) -> list[str]:
        """A line for what all runs were asked less than, and one for each reason why others lack rows."""
        asked = Counter(cell.state for cell in self.cells if cell.complete and cell.state != "complete")
        alike = [f"{state}: {n} of {len(self.cells)} runs" for state, n in asked.items()]
        missing: dict[str, list[MatrixCell]] = {}
        for cell in self.cells:
            if not cell.complete:
                missing.setdefault(cell.state.replace(f"{cell.folder}: ", ""), []).append(cell)
        return alike + [f"{_runs(cells)}: {state}" for state, cells in missing.items()]

    @property
    def gates(self) -> list[tuple[MatrixCell, GateResult]]:
        """Every gate with its cell."""
        return [(cell, gate) for cell in self.cells for gate in cell.gates]


def _runs(cells: Sequence[MatrixCell]) -> str:
    """Runs that lack rows for the same reason, in few words: each by name, or what they have in common."""
    names = list(dict.fromkeys(cell.name for cell in cells))
    benchmarks = list(dict.fromkeys(cell.benchmark for cell in cells))
    if len(cells) == 1:
        return f"{names[0]}, {benchmarks[0]}"
    if len(benchmarks) == 1:
        return f"{benchmarks[0]}, {len(cells)} models"
    if len(names) == 1:
        return f"{names[0]}, {len(cells)} benchmarks"
    return f"{len(cells)} runs, {names[0]}, {benchmarks[0]} first"
