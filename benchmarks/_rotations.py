"""Any multiple-choice benchmark in every rotation of its options, made on the fly.

Pass k moves each option text k letters forward (A's text to B, the last to A); the answer letter goes with
its text. Rotation k of question i gets the index `i + k * 1000000`, as in the files of MMBench.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from vlmbench.answers.circular import ROTATION
from vlmbench.domain import Row, Sample
from vlmbench.errors import UsageError

from ._choice import MultipleChoice, choices_of

SUFFIX = "_circular"
_ALONE = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Rotated(MultipleChoice):
    """A plain benchmark asked and scored like MMBench."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """Every rotation of every question that can be rotated; the others are left out."""
        return MultipleChoice.samples(self, rotations(rows))


def rotated(benchmark: MultipleChoice) -> Rotated:
    """The circular form of a plain multiple-choice benchmark, named `NAME_circular`."""
    card = benchmark.card
    if card.circular:
        raise UsageError(f"{card.name} is circular as it is.", key="--circular", fix="Leave the flag out.")
    return Rotated(
        replace(
            card,
            name=f"{card.name}{SUFFIX}",
            circular=True,
            rows=None,
            groups=card.rows,
            quoted="circular accuracy over questions",
        )
    )


def rotations(rows: Iterable[Row]) -> Iterator[Row]:
    """Each question's rotations one after another, the file's own row first."""
    for row in rows:
        choices = choices_of(row)
        if not row.index.isdigit() or int(row.index) >= ROTATION:
            raise UsageError(
                f"row `{row.index}` cannot be rotated: rotations are told apart by whole-number indexes "
                f"below {ROTATION}.",
                key="--circular",
            )
        if not can_rotate(choices, row.cells.get("answer")):
            continue
        for k in range(len(choices)):
            yield rotate(row, choices, k)


def can_rotate(choices: Mapping[str, str], answer: str | None) -> bool:
    """Whether moving the options keeps the question's meaning.

    An option such as `both A and B` speaks of letters and would become another statement.
    """
    if len(choices) < 2 or (answer is not None and answer not in choices):
        return False
    return not any(letter in choices for text in choices.values() for letter in _ALONE.findall(text))


def rotate(row: Row, choices: Mapping[str, str], k: int) -> Row:
    """Rotation k of a row."""
    letters = list(choices)
    moved = {letters[(place + k) % len(letters)]: letter for place, letter in enumerate(letters)}
    cells = dict(row.cells)
    cells |= {to: choices[source] for to, source in moved.items()}
    if "answer" in cells:
        cells["answer"] = next(to for to, source in moved.items() if source == row.cells["answer"])
    return replace(row, index=str(int(row.index) + k * ROTATION), cells=cells)
