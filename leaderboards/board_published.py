"""The published tables: read from `published.yaml`, checked, and marked where two of them disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.errors import UserError

from .board_names import billions_in, family_of, languages_of
from .board_nouns import QuotedRow, QuotedTable

FILE = Path(__file__).with_name("published.yaml")
_KEYS = {"title", "source", "date", "dated", "rules", "benchmarks", "rows"}
_ROW_KEYS = {"model", "as", "family", "size", "figures"}


def published_tables(file: Path = FILE) -> tuple[QuotedTable, ...]:
    """Every table of the file, in its order."""
    import yaml

    try:
        tables = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"cannot be read: {error}", file=file) from None
    if not isinstance(tables, list):
        raise UserError("is no list of tables.", file=file)
    for number, table in enumerate(tables, 1):
        _check(table, file, number)
    return tuple(_table(table, tables) for table in tables)


def _check(table: Any, file: Path, number: int) -> None:
    where = f"table {number}"
    if not isinstance(table, Mapping) or set(table) != _KEYS:
        raise UserError(f"{where} has not the keys {', '.join(sorted(_KEYS))}.", file=file)
    if not str(table["source"]).startswith("https://"):
        raise UserError(f"{where}: a source is an https address.", file=file, key="source")
    width = len(table["benchmarks"])
    for row in table["rows"]:
        figures = row.get("figures", ())
        if "model" not in row or not set(row) <= _ROW_KEYS or len(figures) != width:
            what = f"{where}: a row has a model and {width} figures, not {len(figures)}"
            raise UserError(f"{what} ({row.get('model')}).", file=file, key="rows")
        if not all(figure is None or isinstance(figure, str) for figure in figures):
            raise UserError(f"{where}: figures are quoted texts, as printed.", file=file, key=row["model"])


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
    )


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
    )


def _printed(model: str, benchmark: str, tables: Sequence[Mapping[str, Any]]) -> list[tuple[str, str | None]]:
    return [
        (table["title"], figure)
        for table in tables
        for row in table["rows"]
        if row["model"] == model
        for name, figure in zip(table["benchmarks"], row["figures"], strict=True)
        if name == benchmark
    ]
