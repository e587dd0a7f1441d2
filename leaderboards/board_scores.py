"""What a run's questions are worth, read fast for tests between many runs: one rule set of the five."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.answers.circular import group_key
from vlmbench.domain import RuleSet
from vlmbench.errors import RunFolderError, UserError
from vlmbench.finished import FinishedRun

from .compare_units import units_of

SCORES = "scores.jsonl"
_Row = tuple[str, str, float | None]
_AGAIN = "The same `vlmbench run` writes it again; answers that are there are kept."


@dataclass(frozen=True, slots=True)
class Units:
    """The scored units of one run, in the order of their names."""

    keys: tuple[str, ...]
    values: tuple[float, ...]
    clusters: tuple[Hashable, ...]
    bits: int | None
    """Where every unit is its own cluster and is right or wrong: a byte each, for fast counting."""


def read_units(run: FinishedRun, rules: RuleSet, clusters: Mapping[str, Hashable]) -> Units | None:
    """Questions for circular runs, else rows; None where the run was kept without its scores.

    `clusters` names what rows share, where that is known. Raises a RunFolderError for a damaged file.
    """
    if not (run.folder / SCORES).exists():
        return None
    rows = _rows(run, rules)
    if not run.circular:
        found = {key: (value, clusters.get(key, group)) for key, group, value in rows if value is not None}
        return _units(found)
    values = _questions(rows, rules)
    headline = run.results["by_rules"][rules]["headline"]
    if len(values) == headline["n"] and _near(math.fsum(values.values()) / len(values), headline["value"]):
        return _units({key: (value, key) for key, value in values.items()})
    return _exactly(run, rules)


def _exactly(run: FinishedRun, rules: RuleSet) -> Units:
    """By the counting that made the headline, which needs the questions themselves."""
    try:
        samples = run.questions.samples
    except UserError:
        samples = None
    units = units_of(run, rules, samples)
    return _units({unit.key: (unit.value, unit.cluster) for unit in units})


def _questions(rows: list[_Row], rules: RuleSet) -> dict[str, float]:
    """A question is right if it is in every rotation; one with an unscored row does not count."""
    groups: dict[str, list[float | None]] = {}
    for row, group, value in rows:
        groups.setdefault(group_key(row) if rules == "xtuner" else group, []).append(value)
    return {
        key: float(all(value == 1 for value in values))
        for key, values in groups.items()
        if None not in values
    }


def _rows(run: FinishedRun, rules: RuleSet) -> list[_Row]:
    """Every row of one rule set, in file order."""
    file = run.folder / SCORES
    rows: dict[str, _Row] = {}
    for number, score in _lines(file, rules):
        row = _row(score)
        if row is None or row[0] in rows:
            what = "this line is no score" if row is None else "this row is there twice"
            raise RunFolderError(
                f"{what}; the file was edited or damaged.", file=file, row=number, fix=_AGAIN
            )
        rows[row[0]] = row
    if len(rows) != run.results["rows"]["asked"]:
        raise RunFolderError(
            f"it has {len(rows)} rows under {rules}, results.json tells of {run.results['rows']['asked']}; "
            "one of them was edited, or is of another run.",
            file=file,
            fix=_AGAIN,
        )
    return list(rows.values())


def _lines(file: Path, rules: RuleSet) -> Iterator[tuple[int, Any]]:
    """The lines of one rule set with their numbers; None for one that is no JSON.

    Most lines are of other rule sets: telling them by their bytes, and reading the others in one go, is
    what makes a board of thousands of runs fast.
    """
    mark = json.dumps(rules).encode()
    picked = [(n, line) for n, line in enumerate(file.read_bytes().split(b"\n"), 1) if mark in line]
    whole = _parsed(b"[%s]" % b",".join(line for _, line in picked))
    if isinstance(whole, list) and len(whole) == len(picked):
        scores = whole
    else:
        scores = [_parsed(line) for _, line in picked]
    for (number, _), score in zip(picked, scores, strict=True):
        if not isinstance(score, dict) or score.get("rules") == rules:
            yield number, score


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None


def _row(score: Any) -> _Row | None:
    """Id, group and value; None for what is no score."""
    try:
        row, group, value = score["id"], score["group"], score["value"]
    except (TypeError, KeyError):
        return None
    number = value is None or (type(value) in (int, float) and math.isfinite(value))
    return (row, group, value) if isinstance(row, str) and isinstance(group, str) and number else None


def _units(found: Mapping[str, tuple[float, Hashable]]) -> Units:
    keys = tuple(sorted(found))
    values = tuple(float(found[key][0]) for key in keys)
    clusters = tuple(found[key][1] for key in keys)
    simple = all(value in (0, 1) for value in values) and len(set(clusters)) == len(keys)
    bits = int.from_bytes(bytes(map(int, values)), "big") if simple else None
    return Units(keys, values, clusters, bits)


def _near(one: float, other: float | None) -> bool:
    return other is not None and abs(one - other) < 1e-9
