"""VLMEvalKit and xtuner at both ends: how each would have read the same files, and the result tables it
prints.

The compatible rule sets are only comparable with published figures when they also see what those
toolkits saw. Both read their tables with pandas, which

* takes words such as `None`, `NA` or `null` for empty cells, so that options, hints and predictions
  of that name vanish (or print as `nan` where a text is required);
* guesses one type for a whole column: if every cell is a number, `007` prints as `7`, and with a
  gap anywhere in the column `5` prints as `5.0`.

`strict` and `original` see the file as it is. The whole table is needed at once because types belong to
columns. The raw `cells` of a sample are never touched.

The tables (`vlmevalkit_records`, `xtuner_result`) are those of the toolkits cell for cell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from vlmbench.domain import RuleSet, Sample

MISSING = frozenset(
    {"", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN"}
    | {"<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"}
)
"""The words pandas (2.0 and later) takes for an empty cell."""

PRINTED_GAP = "nan"
"""What an empty cell prints as where the toolkit needs a text."""

SHORT_NAMES = {
    "coarse_perception": "CP",
    "finegrained_perception (instance-level)": "FP-S",
    "finegrained_perception (cross-instance)": "FP-C",
    "logic_reasoning": "LR",
    "relation_reasoning": "RR",
    "attribute_reasoning": "AR",
}
CCBENCH_NAMES = {
    "sketch_reasoning": "Sketch Reasoning",
    "scenery_building": "Scenery & Building",
    "food_clothes": "Food & Clothes",
    "historical_figure": "Historical Figure",
    "traditional_show": "Traditional Show",
    "calligraphy_painting": "Calligraphy Painting",
    "cultural_relic": "Cultural Relic",
}

Column = Sequence[str | None]
Units = Sequence[tuple[Sample, float]]
"""What is counted once (a row, or the base row of a group) and what it is worth."""

_BLANK = r"[ \t\n\v\f\r]*"
_INTEGER = re.compile(rf"{_BLANK}[+-]?[0-9]+{_BLANK}")
_NUMBER = re.compile(
    rf"{_BLANK}[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?|inf(?:inity)?){_BLANK}", re.IGNORECASE
)
_TRUTHS = dict.fromkeys(("True", "TRUE", "true"), "True") | dict.fromkeys(
    ("False", "FALSE", "false"), "False"
)
_MOST_DIGITS = 40
"""Longer than any number that pandas would hold; spares us the parsing of absurd ones."""


def samples_as_read(samples: Sequence[Sample], rules: RuleSet) -> list[Sample]:
    """The questions as `rules` saw them; samples that do not change are passed on as they are."""
    if rules in ("strict", "original"):
        return list(samples)
    changes: dict[int, dict[str, Any]] = {}
    _reread_texts(samples, changes)
    _reread_references(samples, changes)
    _reread_mappings(samples, "choices", changes)
    _reread_mappings(samples, "categories", changes)
    return [replace(s, **changes[i]) if i in changes else s for i, s in enumerate(samples)]


def answers_as_read(texts: Sequence[str | None], rules: RuleSet) -> list[str]:
    """The predictions as `rules` saw them: VLMEvalKit writes a workbook and reads it back."""
    if rules in ("strict", "original", "xtuner"):
        return [text if text is not None else "" for text in texts]
    return [PRINTED_GAP if text is None else text for text in column_as_read(texts)]


def column_as_read(cells: Column) -> Column:
    """One column as pandas reads and prints it, None for an empty cell; the same object if unchanged."""
    present = [cell for cell in cells if cell is not None and cell not in MISSING]
    printed = _printing(present, gaps=len(present) < len(cells))
    if printed is None and all(cell is None or cell not in MISSING for cell in cells):
        return cells
    show = printed or str
    return [None if cell is None or cell in MISSING else show(cell) for cell in cells]


def vlmevalkit_records(units: Units) -> list[dict[str, object]]:
    """The lines of that toolkit's `_acc` table: one a split (`none` without that column).

    Columns are Overall, the l2 categories, the categories, each sorted. Where both levels have a
    name in common the second overwrites the first. A split that lacks a group has a blank (None)
    there. Rows whose split is missing make a line that is blank throughout.
    """
    if any(sample.split is not None for sample, _ in units):
        names: list[str | None] = [*sorted({s.split for s, _ in units if s.split is not None})]
        names += [None] if any(s.split is None for s, _ in units) else []
        lines = [(name, [(s, v) for s, v in units if name is not None and s.split == name]) for name in names]
    else:
        lines = [("none", list(units))]
    columns = [(level, name) for level in ("l2-category", "category") for name in _names(units, level)]
    records: list[dict[str, object]] = []
    for split, part in lines:
        record: dict[str, object] = {"split": split, "Overall": _mean([v for _, v in part])}
        for level, name in columns:
            values = [v for s, v in part if s.categories.get(level) == name]
            record[SHORT_NAMES.get(name, name)] = _mean(values)
        records.append(record)
    return records


def xtuner_result(units: Units) -> dict[str, float]:
    """The content of `mmbench_result.json`: the average, then one level of categories only."""
    average = _mean([value for _, value in units])
    result = {"Average": math.nan if average is None else average}
    level = "l2-category" if any("l2-category" in s.categories for s, _ in units) else "category"
    for name in _names(units, level):
        mean = _mean([value for sample, value in units if sample.categories.get(level) == name])
        assert mean is not None  # noqa: S101 - the name comes from a unit
        result[(SHORT_NAMES | CCBENCH_NAMES).get(name, name)] = mean
    return result


def _printing(present: Sequence[str], *, gaps: bool) -> Callable[[str], str] | None:
    """How the type guessed for a column prints its cells; None where they print as written."""
    if not present:
        return None
    if all(map(_INTEGER.fullmatch, present)):
        return _printing_of_integers(present, gaps=gaps)
    if all(map(_NUMBER.fullmatch, present)):
        return _float_text
    if all(cell in _TRUTHS for cell in present):
        return _TRUTHS.__getitem__
    return None


def _printing_of_integers(present: Sequence[str], *, gaps: bool) -> Callable[[str], str] | None:
    """Integers print as such; with gaps, as floats; beyond 64 bits, as written."""
    if max(map(len, present)) > _MOST_DIGITS:
        return None
    numbers = [int(cell) for cell in present]
    if min(numbers) >= -(2**63) and max(numbers) < 2**63:
        return _float_text if gaps else _integer_text
    unsigned = min(numbers) >= 0 and max(numbers) < 2**64 and not gaps
    return _integer_text if unsigned else None


def _float_text(cell: str) -> str:
    return repr(float(cell))


def _integer_text(cell: str) -> str:
    return str(int(cell))


def _differences(before: Column, after: Column) -> Iterable[tuple[int, str | None]]:
    if after is before:
        return ()
    return ((i, new) for i, (old, new) in enumerate(zip(before, after, strict=True)) if new != old)


def _reread_texts(samples: Sequence[Sample], changes: dict[int, dict[str, Any]]) -> None:
    questions = [s.question or None for s in samples]
    if any(questions):  # otherwise the file has no such column
        for i, text in _differences([s.question for s in samples], column_as_read(questions)):
            changes.setdefault(i, {})["question"] = PRINTED_GAP if text is None else text
    for name in ("hint", "split"):
        cells = [getattr(s, name) for s in samples]
        for i, text in _differences(cells, column_as_read(cells)):
            changes.setdefault(i, {})[name] = text


def _reread_references(samples: Sequence[Sample], changes: dict[int, dict[str, Any]]) -> None:
    """The answer column, unless its cells are lists, which pandas leaves alone."""
    if any(len(s.references) > 1 for s in samples):
        return
    cells = [s.references[0] if s.references else None for s in samples]
    for i, text in _differences(cells, column_as_read(cells)):
        # An open answer is turned into text before it is compared, a letter is not.
        gap = () if samples[i].choices else (PRINTED_GAP,)
        changes.setdefault(i, {})["references"] = gap if text is None else (text,)


def _reread_mappings(samples: Sequence[Sample], name: str, changes: dict[int, dict[str, Any]]) -> None:
    """Each key of a mapping (an option's letter, a level) is a column of its own."""
    mappings = [getattr(s, name) for s in samples]
    for key in dict.fromkeys(key for mapping in mappings for key in mapping):
        cells = [mapping.get(key) for mapping in mappings]
        for i, text in _differences(cells, column_as_read(cells)):
            mapping = changes.setdefault(i, {}).setdefault(name, dict(mappings[i]))
            if text is None:
                del mapping[key]
            else:
                mapping[key] = text


def _names(units: Units, level: str) -> list[str]:
    return sorted({s.categories[level] for s, _ in units if level in s.categories})


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
