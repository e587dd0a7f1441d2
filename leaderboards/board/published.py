"""The published tables: read from `published.yaml`, checked, and marked where two of them disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vlmbench.domain import RULE_SETS, RuleSet
from vlmbench.errors import UserError
from vlmbench.leaderboards.board.names import billions_in, family_of, languages_of
from vlmbench.leaderboards.board.nouns import UNKNOWN, QuotedRow, QuotedTable

FILE = Path(__file__).parents[1] / "published.yaml"
OTHERS = "*"
"""In `rule_sets` and `decoding`: every benchmark that is not named."""
_KEYS = {"title", "source", "date", "dated", "rules", "rule_sets", "decoding", "benchmarks", "rows"}
_ROW_KEYS = {"model", "as", "family", "size", "rule_sets", "figures"}


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
    _check_by_benchmark(table, table, file, where)
    for row in table["rows"]:
        figures = row.get("figures", ())
        if "model" not in row or not set(row) <= _ROW_KEYS or len(figures) != width:
            what = f"{where}: a row has a model and {width} figures, not {len(figures)}"
            raise UserError(f"{what} ({row.get('model')}).", file=file, key="rows")
        if not all(figure is None or isinstance(figure, str) for figure in figures):
            raise UserError(f"{where}: figures are quoted texts, as printed.", file=file, key=row["model"])
        _check_by_benchmark(row, table, file, where)


def _check_by_benchmark(part: Mapping[str, Any], table: Mapping[str, Any], file: Path, where: str) -> None:
    """Rule sets and decoding of a table or a row name benchmarks of the table, and rule sets that exist."""
    for key in ("rule_sets", "decoding"):
        known = part.get(key, {})
        names = {OTHERS, *table["benchmarks"]}
        if (
            not isinstance(known, Mapping)
            or not set(known) <= names
            or (part is table and OTHERS not in known)
        ):
            what = f"{where}: `{key}` is by benchmark of the table, with `{OTHERS}` for the others"
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
    """`Rule set: original; vlmevalkit-2024 (MMBench). Decoding: greedy.` Rows of their own at the end."""
    rule_sets = _in_words(_by_benchmark(table["rule_sets"], benchmarks), benchmarks)
    decoding = _in_words(_by_benchmark(table["decoding"], benchmarks), benchmarks)
    rows = [
        f" {row.get('as', row['model'])}: {_in_words([*own.values()], [*own], all_=False)}."
        for row in table["rows"]
        if (own := row.get("rule_sets"))
    ]
    return f"Rule set: {rule_sets}. Decoding: {decoding}.{''.join(rows)}"


def _in_words(values: Sequence[str | None], benchmarks: Sequence[str], *, all_: bool = True) -> str:
    """Each value with its benchmarks, the commonest without them unless `all_` is false."""
    by_value: dict[str, list[str]] = {}
    for value, benchmark in zip(values, benchmarks, strict=True):
        by_value.setdefault(value or UNKNOWN, []).append(benchmark)
    order = sorted(by_value, key=lambda value: (value == UNKNOWN, -len(by_value[value])))
    said = [f"{value} ({', '.join(by_value[value])})" for value in order]
    return "; ".join([order[0], *said[1:]] if all_ else said)


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
