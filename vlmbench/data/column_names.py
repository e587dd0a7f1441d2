"""Columns of a user's file whose names are slips of the pen: `anser` must not pass for a withheld test set.

    missing_columns(("index", "question", "anser"))     {"answer": "anser"}

Only names that nearly are a known one count, and only where the known one is absent.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from string import ascii_uppercase

from vlmbench.plain_text import visible

DECISIVE = ("question", "answer", "image", "image_path")
"""Without one of these, or without an option, the model would be asked or scored otherwise."""
TEXTS = ("index", "hint", "category", "l2-category", "split")
_KNOWN = frozenset({*DECISIVE, *TEXTS, "comment", *ascii_uppercase})
_OPTION = re.compile(r"(?:(?:option|choice|opt)s?[ _-]?)?\(?([a-z])[).:]?", re.IGNORECASE)


def missing_columns(columns: Collection[str], known: Iterable[str] = (*DECISIVE, *TEXTS)) -> dict[str, str]:
    """Each known column that is absent, with the column that nearly has its name."""
    spare = [column for column in columns if column not in _KNOWN]
    found: dict[str, str] = {}
    for name in known:
        near = next((column for column in spare if is_near(column, name)), None)
        if name not in columns and near is not None:
            found[name] = near
    return found


def missing_options(columns: Collection[str]) -> dict[str, str]:
    """Options under other names than their letters (`a`, `Option B`); none where A and B would still lack."""
    letters = {column for column in columns if column in _KNOWN and len(column) == 1}
    near: dict[str, str] = {}
    for column in columns:
        if column not in _KNOWN and (named := _OPTION.fullmatch(column.strip())):
            near.setdefault(named[1].upper(), column)
    near = {letter: near[letter] for letter in sorted(near) if letter not in letters}
    return near if {"A", "B"} <= letters | near.keys() else {}


def did_you_mean(missing: dict[str, str]) -> str:
    """The columns that are absent, and those that may be meant."""
    absent = " and ".join(f"`{name}`" for name in missing)
    near = " and ".join(f"`{visible(column, 60)}`" for column in missing.values())
    return f"there is no column {absent}; did you mean {near}?"


def is_near(column: str, name: str) -> bool:
    """Whether a column's name is a known one but for case, blanks, a plural, a number, a letter or two."""
    found, wanted = _plain(column), _plain(name)
    if re.sub(r"-?\d+$", "", found) == wanted or found in _plurals(wanted):
        return True
    digits = re.findall(r"\d", wanted)
    if len(wanted) < 5 or (digits and digits != re.findall(r"\d", found)):
        return False
    long = len(wanted) > 7 and wanted not in found
    distance = _edits(found, wanted)
    return distance <= 1 or (distance == 2 and (long or sorted(found) == sorted(wanted)))


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", "-", name.strip().casefold())


def _plurals(name: str) -> tuple[str, ...]:
    return (f"{name}s", f"{name}es", f"{name[:-1]}ies")


def _edits(one: str, two: str) -> int:
    """How many letters are missing, added, wrong, or swapped with their neighbour."""
    if abs(len(one) - len(two)) > 2:
        return 3
    before: list[int] = []
    row = list(range(len(two) + 1))
    for i, letter in enumerate(one, 1):
        last, row, earlier = row, [i], before
        for j, other in enumerate(two, 1):
            best = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == two[j - 2] and one[i - 2] == other:
                best = min(best, earlier[j - 2] + 1)
            row.append(best)
        before = last
    return row[-1]
