"""Where a printed figure stands in the published tables, and under which rules it was made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.domain import RuleSet
from vlmbench.leaderboards.board.names import languages_of
from vlmbench.leaderboards.board.nouns import QuotedTable

_SPLITS = {"DEV", "VAL", "TEST", "MINI"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """One figure of one table."""

    table: str
    source: str
    model: str
    benchmark: str
    """As the table calls it."""
    rules: RuleSet | None
    """None where it is not known."""
    decoding: str | None


def figures_printed(figure: str, benchmark: str, tables: Sequence[QuotedTable]) -> list[PublishedFigure]:
    """Every place where this benchmark's column prints this figure."""
    return [
        PublishedFigure(
            table=table.title,
            source=table.source,
            model=row.model,
            benchmark=name,
            rules=row.rule_sets[place],
            decoding=table.decoding[place],
        )
        for table in tables
        for row in table.rows
        for place, (name, printed) in enumerate(zip(table.benchmarks, row.figures, strict=True))
        if printed == figure.strip() and is_column_of(name, benchmark)
    ]


def is_column_of(column: str, benchmark: str) -> bool:
    """Whether a table's column is of this benchmark: the same set and language, and no other split."""
    one, other = (set(re.split(r"[ _-]", name.upper())) for name in (column, benchmark))
    splits = one & _SPLITS, other & _SPLITS
    same_split = not all(splits) or bool(splits[0] & splits[1])
    return (
        _head(column) == _head(benchmark) and languages_of(column) == languages_of(benchmark) and same_split
    )


def _head(name: str) -> str:
    return re.split(r"[ _-]", name.upper())[0]
