"""What a rule finds in an answer, beside the accepted answers of its row, and the score it amounts to.

The accepted answers of a row stand in one cell: a plain text, or a list of texts written as Python writes
lists. The toolkit that these files come from passes such cells to `eval`. Here a cell can only be a value:
strings, numbers, and lists of them. Anything else is a plain text, as is a list that does not parse.

The rule set `xtuner` has rules for multiple choice only: xtuner asks and scores nothing else, and its
authors' tables took the other columns from VLMEvalKit. A figure under its name would be an invention, so
other rows are not scored under it and its figures are empty.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from vlmbench.domain import Response, RuleSet, Sample, Score

NO_RULE: dict[RuleSet, str] = {
    "xtuner": "xtuner scores multiple choice only",
    "original": "no evaluator of its authors is here",
}
"""Why a rule set does not score an open answer. A benchmark whose authors published an evaluator is scored by
`answers/original` instead."""
NO_REFERENCE = "no reference answer"

LONGEST = 1 << 20
"""Characters of a cell that is parsed; a longer one is a plain text."""
DEEPEST = 32
"""Brackets inside brackets; more than that was made to break parsers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The option an answer names, or why it names none."""

    letter: str | None
    """An option's letter; `Z` for a refusal under the vlmevalkit rules, a run such as `AB` under xtuner's;
    None when nothing was found (unparsed)."""
    reason: str
    """How it was found, or why not, in a few words."""


@dataclass(frozen=True, slots=True)
class Matched:
    """An answer beside its references, in the form they were compared in."""

    references: tuple[str, ...]
    answer: str | None
    """None where there is nothing to compare: an empty answer, under `strict`."""
    match: tuple[float, ...]
    """One a reference. Of 0 to 1 and higher is better, except for edit distances."""
    value: float
    reason: str = ""


Match = Callable[[str, Sequence[str], RuleSet], Matched]
"""Compares an answer with its references under a rule set."""


def score_open(sample: Sample, response: Response, rules: RuleSet, match: Match) -> Score:
    """What an open answer is worth; an error or a withheld reference is not scored."""
    why_not = unscored(sample, response, rules)
    if why_not is not None:
        return score_of(sample, rules, None, None, why_not)
    found = match(response.text, accepted(sample), rules)
    return score_of(sample, rules, found.answer, found.value, found.reason)


def score_of(sample: Sample, rules: RuleSet, found: str | None, value: float | None, reason: str) -> Score:
    """A score of this sample; `found` is what was extracted from the answer."""
    return Score(id=sample.id, group=sample.group, rules=rules, extracted=found, value=value, reason=reason)


def unscored(sample: Sample, response: Response, rules: RuleSet) -> str | None:
    """Why an open answer has no score; None where it can be scored."""
    failure = failure_of(response)
    if failure is None and not sample.references:
        return NO_REFERENCE
    return failure or NO_RULE.get(rules)


def failure_of(response: Response) -> str | None:
    """Why there is no answer to read; None where there is one."""
    return response.error or ("the request failed" if response.finish == "error" else None)


def accepted(sample: Sample) -> tuple[str, ...]:
    """The accepted answers. Lists are read from the raw cell: pandas guesses no types for those."""
    return members_of(sample.cells.get("answer", "")) or sample.references


def references_of(cells: Mapping[str, str], column: str = "answer") -> tuple[str, ...]:
    """The accepted answers of a row; none if the cell is empty or an empty list."""
    cell = cells.get(column)
    if cell is None:
        return ()
    members = members_of(cell)
    return (cell,) if members is None else members


@lru_cache(maxsize=1 << 15)
def members_of(cell: str) -> tuple[str, ...] | None:
    """The texts of a list literal; None if the cell is not a list."""
    text = cell.strip()
    value = literal_of(text) if text.startswith("[") and text.endswith("]") else None
    return tuple(str(member) for member in value) if isinstance(value, list) else None


def literal_of(text: str) -> object:
    """The value that a Python literal stands for, not evaluated; None if it is none, too long or too deep."""
    if len(text) > LONGEST or _depth(text) > DEEPEST:
        return None
    try:
        with warnings.catch_warnings():  # `\f` and the like in LaTeX are kept, as they always were
            warnings.simplefilter("ignore")
            found: object = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
    return found


def numpy_mean(values: Sequence[float]) -> float:
    """The mean to the last bit as the original toolkits print it: numpy adds in an order of its own."""
    import numpy as np

    return float(np.mean(values)) if len(values) else float("nan")


def _depth(text: str) -> int:
    deepest = depth = 0
    for char in text:
        if char in "[({":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "])}":
            depth -= 1
    return deepest
