"""Which rows of a table a run with a limit asks, known from their texts before any picture is here."""

from __future__ import annotations

from dataclasses import replace

from vlmbench.data.build import unread_row
from vlmbench.data.sources.limited.split import Choose
from vlmbench.data.table import Table
from vlmbench.domain import Benchmark, Sample
from vlmbench.engine.asking import choose_groups


def rows_of_limit(benchmark: Benchmark, limit: int | None, seed: int) -> Choose:
    """The rows that `choose_groups` chooses.

    All rows (None) where the limit admits them, or where the benchmark groups questions by their pictures.
    """

    def choose(outline: Table) -> frozenset[int] | None:
        rows = list(outline.rows())
        samples = tuple(benchmark.samples(rows))
        without = benchmark.samples(replace(row, images=()) for row in rows)
        chosen = choose_groups(samples, limit, seed)
        if len(chosen) == len(samples) or list(map(_place, samples)) != list(map(_place, without)):
            return None
        numbers = (unread_row(mark) for sample in chosen for mark in sample.images)
        return frozenset(number for number in numbers if number is not None)

    return choose


def _place(sample: Sample) -> tuple[str, str, str]:
    """What `choose_groups` looks at."""
    return sample.id, sample.group, sample.categories.get("category", "")
