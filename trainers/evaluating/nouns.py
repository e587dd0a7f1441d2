"""A checkpoint that is asked, and what it was worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNS, CANDIDATES = "runs", "candidates"
"""In the work folder: run folders by checkpoint and benchmark, and checkpoints as models."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint as a model."""

    step: int
    model: Path
    work_dir: Path

    def run(self, benchmark: str) -> Path:
        """Where its answers to a benchmark go."""
        return self.work_dir / RUNS / self.model.name / _plain(benchmark)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """The headline of one run of a candidate."""

    step: int
    benchmark: str
    value: float | None
    ci95: tuple[float, float] | None
    n: int
    name: str
    run: Path


def _plain(benchmark: str) -> str:
    """A name as given; of a file, what the file is called."""
    return Path(benchmark).stem if benchmark.endswith(".tsv") else benchmark
