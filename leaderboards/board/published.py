"""The published tables: read from `published.yaml`, checked, marked where two disagree, and searched."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.domain import RULE_SETS, RuleSet
from vlmbench.errors import UserError
from vlmbench.leaderboards.board.names import billions_in, family_of, languages_of
from vlmbench.leaderboards.board.nouns import UNKNOWN, QuotedRow, QuotedTable

FILE = Path(__file__).parents[1] / "published.yaml"
OTHERS = "*"
"""In `rule_sets` and `decoding`: all benchmarks that are not named."""
_KEYS = {"title", "source", "date", "dated", "rules", "rule_sets", "decoding", "benchmarks", "rows"}
_ROW_KEYS = {"model", "as", "family", "size", "rule_sets", "figures"}


_SPLITS = {"DEV", "VAL", "TEST", "MINI"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFigure:
    """A figure of one table, with its rule set and decoding."""

    table: str
    source: str
    model: str
    benchmark: str
    """The name in the table."""
    rules: RuleSet | None
    """None where it is not known."""
    decoding: str | None


def published_tables(file: Path = FILE) -> tuple[QuotedTable, ...]:
    """Every table, in the order of the file; a UserError names what is wrong in the file."""
    import yaml

    try:
        tables = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"it cannot be read: {error}", file=file) from None
    if not isinstance(tables, list):
        raise UserError("it is not a list of tables.", file=file)
    for number, table in enumerate(tables, 1):
        _check(table, file, number)
    return tuple(_table(table, tables) for table in tables)


def figures_printed(figure: str, benchmark: str, tables: Sequence[QuotedTable]) -> list[PublishedFigure]:
    """Every occurrence of the figure in a column of the benchmark."""
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
    """Whether a table's column is of the benchmark: the same set and language, and not another split."""
    one, other = (set(re.split(r"[ _-]", name.upper())) for name in (column, benchmark))
    splits = one & _SPLITS, other & _SPLITS
    same_split = not all(splits) or bool(splits[0] & splits[1])
    return (
        _head(column) == _head(benchmark) and languages_of(column) == languages_of(benchmark) and same_split
    )


def _head(name: str) -> str:
    return re.split(r"[ _-]", name.upper())[0]


def _check(table: Any, file: Path, number: int) -> None:
    where = f"table {number}"
    if not isinstance(table, Mapping) or set(table) != _KEYS:
        raise UserError(f"{where} must have the keys {', '.join(sorted(_KEYS))}.", file=file)
    if not str(table["source"]).startswith("https://"):
        raise UserError(f"{where}: a source is an https address.", file=file, key="source")
    width = len(table["benchmarks"])
    _check_by_benchmark(table, table, file, where)
    for row in table["rows"]:
        figures = row.get("figures", ())
        if "model" not in row or not set(row) <= _ROW_KEYS or len(figures) != width:
            what = f"{where}: a row needs a model and {width} figures, not {len(figures)}"
            raise UserError(f"{what} ({row.get('model')}).", file=file, key="rows")
        if not all(figure is None or isinstance(figure, str) for figure in figures):
            raise UserError(f"{where}: figures are quoted texts, as printed.", file=file, key=row["model"])
        _check_by_benchmark(row, table, file, where)


def _check_by_benchmark(part: Mapping[str, Any], table: Mapping[str, Any], file: Path, where: str) -> None:
    """`rule_sets` and `decoding` must name benchmarks of the table, and rule sets that exist."""
    for key in ("rule_sets", "decoding"):
        known = part.get(key, {})
        names = {OTHERS, *table["benchmarks"]}
        if (
            not isinstance(known, Mapping)
            or not set(known) <= names
            or (part is table and OTHERS not in known)
        ):
            what = f"{where}: the keys of `{key}` are benchmarks of the table and `{OTHERS}` for the others"
            raise UserError(f"{what}, not {known}.", file=file, key=key)
    if not set(part.get("rule_sets", {}).values()) <= {None, *RULE_SETS}:
        what = f"{where}: a rule set is one of {', '.join(RULE_SETS)}, or null"
        raise UserError(f"{what}, not {part['rule_sets']}.", file=file, key="rule_sets")


def _table(table: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> QuotedTable:
    benchmarks = tuple(map(str, table["benchmarks"]))
    return QuotedTable(
        title=table["title"],
        source=table["source"],
        date=None if table["date"] is None else str(table["date"]),
        dated=table["dated"],
        rules=table["rules"],
        benchmarks=benchmarks,
        languages=tuple(map(languages_of, benchmarks)),
        rows=tuple(_row(row, table, tables) for row in table["rows"]),
        decoding=tuple(_by_benchmark(table["decoding"], benchmarks)),
        scored=_scored(table, benchmarks),
    )


def _by_benchmark(known: Mapping[str, Any], benchmarks: Sequence[str]) -> list[Any]:
    return [known.get(name, known.get(OTHERS)) for name in benchmarks]


def _scored(table: Mapping[str, Any], benchmarks: Sequence[str]) -> str:
    """`Rule set: original; vlmevalkit-2024 (MMBench). Decoding: greedy.` Exceptions by row at the end."""
    rule_sets = _in_words(_by_benchmark(table["rule_sets"], benchmarks), benchmarks)
    decoding = _in_words(_by_benchmark(table["decoding"], benchmarks), benchmarks)
    rows = [
        f" {row.get('as', row['model'])}: {_in_words([*own.values()], [*own], all_=False)}."
        for row in table["rows"]
        if (own := row.get("rule_sets"))
    ]
    return f"Rule set: {rule_sets}. Decoding: {decoding}.{''.join(rows)}"


def _in_words(values: Sequence[str | None], benchmarks: Sequence[str], *, all_: bool = True) -> str:
    """Each value with its benchmarks; with `all_`, the commonest without them."""
    by_value: dict[str, list[str]] = {}
    for value, benchmark in zip(values, benchmarks, strict=True):
        by_value.setdefault(value or UNKNOWN, []).append(benchmark)
    order = sorted(by_value, key=lambda value: (value == UNKNOWN, -len(by_value[value])))
    named = [f"{value} ({', '.join(by_value[value])})" for value in order]
    return "; ".join([order[0], *named[1:]] if all_ else named)


def _row(row: Mapping[str, Any], table: Mapping[str, Any], tables: Sequence[Mapping[str, Any]]) -> QuotedRow:
    model = str(row["model"])
    notes = {}
    for place, (benchmark, figure) in enumerate(zip(table["benchmarks"], row["figures"], strict=True)):
        others = [
            f"{other} in “{source}”"
            for source, other in _printed(model, benchmark, tables)
            if source != table["title"] and figure is not None and other not in (None, figure)
        ]
        if others:
            notes[place] = "; ".join(others)
    return QuotedRow(
        model=str(row.get("as", model)),
        family=str(row.get("family", family_of(model))),
        billions=float(row["size"]) if "size" in row else billions_in(model),
        figures=tuple(row["figures"]),
        notes=notes,
        rule_sets=_rule_sets(row, table),
    )


def _rule_sets(row: Mapping[str, Any], table: Mapping[str, Any]) -> tuple[RuleSet | None, ...]:
    return tuple(_by_benchmark({**table["rule_sets"], **row.get("rule_sets", {})}, table["benchmarks"]))


def _printed(model: str, benchmark: str, tables: Sequence[Mapping[str, Any]]) -> list[tuple[str, str | None]]:
    return [
        (table["title"], figure)
        for table in tables
        for row in table["rows"]
        if row["model"] == model
        for name, figure in zip(table["benchmarks"], row["figures"], strict=True)
        if name == benchmark
    ]
