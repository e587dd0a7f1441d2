"""A checkpoint that is asked, and what it was worth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

RUNS, CANDIDATES = "runs", "candidates"
"""In the work folder: run folders by checkpoint and benchmark, and checkpoints as models."""
_MODEL, _TRAINED = "step-", "trained-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A checkpoint as a model."""

    step: int
    model: Path
    work_dir: Path

    @property
    def trained(self) -> Path:
        """Where the weights that it learned are kept until it is a model."""
        return self.model.with_name(f"{_TRAINED}{self.step}")

    def run(self, benchmark: str) -> Path:
        """Where its answers to a benchmark go."""
        return self.work_dir / RUNS / self.model.name / _plain(benchmark)


def candidate(work_dir: Path, step: int) -> Candidate:
    """A checkpoint on the way."""
    return Candidate(step=step, model=work_dir / CANDIDATES / f"{_MODEL}{step}", work_dir=work_dir)


def candidates(work_dir: Path) -> list[Candidate]:
    """All that were kept on the way, by step, whether they are models already or not."""
    names = [folder.name for folder in (work_dir / CANDIDATES).glob("*-*")]
    steps = {
        int(name[len(prefix) :])
        for name in names
        for prefix in (_MODEL, _TRAINED)
        if name.startswith(prefix) and name[len(prefix) :].isdigit()
    }
    return [candidate(work_dir, step) for step in sorted(steps)]


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
    unit: str = "fraction"

    @property
    def text(self) -> str:
        """The figure as people read it."""
        if self.value is None:
            return "no score"
        return self.plain(self.value) + (" %" if self.unit == "fraction" else "")

    def plain(self, figure: float) -> str:
        """A figure in hundredths, or as it is where it is no share."""
        return f"{figure * 100:.1f}" if self.unit == "fraction" else f"{figure:.1f}"


def _plain(benchmark: str) -> str:
    """A name as given; of a file, what the file is called."""
    return Path(benchmark).stem if benchmark.endswith(".tsv") else benchmark
