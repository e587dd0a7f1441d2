"""The scores of many runs under one rule set, read fast.

The runs of one column answer the same rows, so that most of their lines are the same bytes: each distinct
line is parsed once, and lines of other rule sets are skipped unparsed.
"""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, repeat
from typing import Any

from vlmbench.answers.circular import group_key
from vlmbench.domain import RuleSet
from vlmbench.errors import RunFolderError, UserError
from vlmbench.files.regular import read_whole
from vlmbench.finished import FinishedRun
from vlmbench.leaderboards.compare.units import units_of

SCORES = "scores.jsonl"
_Row = tuple[str, str, float | None]
"""Id, group and value."""
_OTHER: tuple[()] = ()
"""A line of another rule set."""
_AGAIN = "The same `vlmbench run` writes it again; answers that are there are kept."
_MOST_LINES, _LONGEST_LINE = 1 << 16, 400
"""Limits of the cache of parsed lines; long free text hardly ever repeats."""


@dataclass(frozen=True, slots=True)
class Units:
    """The scored units of one run, in the order of their names."""

    keys: tuple[str, ...]
    values: tuple[float, ...]
    clusters: tuple[Hashable, ...]
    bits: int | None
    """A byte for each unit, 1 if right, where every unit is its own cluster and right or wrong; else None."""


class ColumnScores:
    """Reads the scores of one column's runs, one after the other."""

    def __init__(self, rules: RuleSet, clusters: Mapping[str, Hashable]) -> None:
        """`clusters` maps a row to its cluster; rows that are not in it cluster by group."""
        self._rules = rules
        self._clusters = clusters
        self._mark = json.dumps(rules).encode()
        self._known: dict[bytes, _Row | tuple[()]] = {}

    def units(self, run: FinishedRun) -> Units | None:
        """Questions for circular runs, else rows; None where the run folder has no scores.jsonl.

        Raises a RunFolderError for a damaged file.
        """
        if not (run.folder / SCORES).exists():
            return None
        if run.draws > 1:
            return self._of_draws(run)
        rows = self._rows(run)
        if not run.circular:
            clusters = self._clusters
            found = {
                key: (value, clusters.get(key, group)) for key, group, value in rows if value is not None
            }
            return _units(found)
        units = _questions(rows, self._rules)
        gives = _gives(units, run.results["by_rules"][self._rules]["headline"])
        return units if gives else _exactly(run, self._rules)

    def _of_draws(self, run: FinishedRun) -> Units:
        """Each unit's mean over all draws; how often it is right is no single bit."""
        if run.circular:
            return _exactly(run, self._rules)
        found = {
            u.key: (u.value, self._clusters.get(u.key, u.cluster)) for u in units_of(run, self._rules, None)
        }
        return _units(found)

    def _rows(self, run: FinishedRun) -> Sequence[_Row]:
        """Every row of the rule set, in file order."""
        file = run.folder / SCORES
        data = read_whole(file)
        lines = _lines_with(self._mark, data)
        found = list(map(self._known.get, lines))
        if None in found:
            found = self._read(lines)
        rows = [row for row in found if row]
        if None in found or len({row[0] for row in rows}) != len(rows):
            number, what = next(self._problems(data))
            raise RunFolderError(
                f"{what}; the file was edited or damaged.", file=file, row=number, fix=_AGAIN
            )
        if len(rows) != run.results["rows"]["asked"]:
            raise RunFolderError(
                f"it has {len(rows)} rows under {self._rules}, results.json has "
                f"{run.results['rows']['asked']}; one of them was edited or belongs to another run.",
                file=file,
                fix=_AGAIN,
            )
        return rows

    def _read(self, lines: Sequence[bytes]) -> list[_Row | tuple[()] | None]:
        """Each line parsed, None where it is not a score; new lines are parsed all at once."""
        new = [line for line in dict.fromkeys(lines) if line not in self._known]
        whole = _parsed(b"[%s]" % b",".join(new))
        scores = whole if isinstance(whole, list) and len(whole) == len(new) else map(_parsed, new)
        parsed = dict(zip(new, (_row(score, self._rules) for score in scores), strict=True))
        room = _MOST_LINES - len(self._known)
        short = ((line, row) for line, row in parsed.items() if row is not None and len(line) < _LONGEST_LINE)
        self._known.update(pair for _, pair in zip(range(room), short, strict=False))
        return [self._known.get(line, parsed.get(line)) for line in lines]

    def _problems(self, data: bytes) -> Iterator[tuple[int, str]]:
        """Line number and reason of each line that is not a score or repeats a row."""
        seen: set[str] = set()
        for number, line in enumerate(data.split(b"\n"), 1):
            row = _row(_parsed(line), self._rules) if self._mark in line else _OTHER
            if row is None:
                yield number, "this line is not a score"
            elif seen.intersection(row[:1]):
                yield number, "this row occurs twice"
            else:
                seen.update(row[:1])


def _exactly(run: FinishedRun, rules: RuleSet) -> Units:
    """Units counted as for the headline, which needs the questions themselves."""
    try:
        samples = run.questions.samples
    except UserError:
        samples = None
    units = units_of(run, rules, samples)
    return _units({unit.key: (unit.value, unit.cluster) for unit in units})


def _questions(rows: Sequence[_Row], rules: RuleSet) -> Units:
    """A question is right if it is in every rotation; one with an unscored row does not count."""
    ids, groups, values = zip(*rows, strict=True) if rows else ((), (), ())
    names = tuple(map(group_key, ids)) if rules == "xtuner" else groups
    wrong = set(compress(names, map(operator.ne, values, repeat(1))))
    unscored = set(compress(names, map(operator.is_, values, repeat(None))))
    keys = tuple(sorted(set(names) - unscored))
    right = bytes(key not in wrong for key in keys)
    return Units(keys, tuple(map(float, right)), keys, int.from_bytes(right, "big"))


def _lines_with(mark: bytes, data: bytes) -> list[bytes]:
    """The lines that contain `mark`. Those of one rule set are written together: cut off the rest first."""
    first, last = data.find(mark), data.rfind(mark)
    if first < 0:
        return []
    start, end = data.rfind(b"\n", 0, first) + 1, data.find(b"\n", last)
    between = data[start : end if end >= 0 else None].split(b"\n")
    return [line for line in between if mark in line]


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None


def _row(score: Any, rules: RuleSet) -> _Row | tuple[()] | None:
    """Id, group and value; None where `score` is not a score."""
    if isinstance(score, dict) and score.get("rules") != rules:
        return _OTHER
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


def _gives(units: Units, headline: Mapping[str, Any]) -> bool:
    """Whether they are what the headline counted."""
    value, n = headline["value"], len(units.keys)
    return n == headline["n"] and n > 0 and abs(math.fsum(units.values) / n - value) < 1e-9
