"""The accepted answers in a cell: a plain text, or a list of them written as Python writes lists.

The toolkit that these files come from hands such cells to `eval`. Here a cell can only be a value:
strings, numbers, and lists of them. Anything else is a plain text, as is a list that does not parse.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from functools import lru_cache

LONGEST = 1 << 20
"""Characters of a cell that is parsed; a longer one is a plain text."""
DEEPEST = 32
"""Brackets inside brackets; more than that was made to break parsers."""


@lru_cache(maxsize=1 << 15)
def members_of(cell: str) -> tuple[str, ...] | None:
    """The texts of a list literal; None if the cell is no list."""
    text = cell.strip()
    if not (text.startswith("[") and text.endswith("]")) or len(text) > LONGEST or _depth(text) > DEEPEST:
        return None
    try:
        with warnings.catch_warnings():  # `\f` and the like in LaTeX are kept, as they always were
            warnings.simplefilter("ignore")
            value = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return tuple(str(member) for member in value) if isinstance(value, list) else None


def references_of(cells: Mapping[str, str], column: str = "answer") -> tuple[str, ...]:
    """The accepted answers of a row; none if the cell is empty or an empty list."""
    cell = cells.get(column)
    if cell is None:
        return ()
    members = members_of(cell)
    return (cell,) if members is None else members


def _depth(text: str) -> int:
    deepest = depth = 0
    for char in text:
        if char in "[({":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "])}":
            depth -= 1
    return deepest
