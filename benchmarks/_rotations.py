"""Any multiple-choice benchmark in every rotation of its options, made on the fly.

Pass k moves each option text k letters forward (A's text to B, the last to A); the answer letter goes with
its text. Rotation k of question i gets the index `i + k * 1000000`, as in the files of MMBench.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from vlmbench.answers.circular import ROTATION
from vlmbench.domain import Benchmark, Decoding, Request, Response, Row, RuleSet, Sample, Score
from vlmbench.errors import UsageError

from ._choice import MultipleChoice

SUFFIX = "_circular"
_ALONE = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Rotated(MultipleChoice):
    """A plain benchmark asked and scored like MMBench."""

    plain: MultipleChoice
    """Words and scores each row in its own way."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """Every rotation of every question that can be rotated; the others are left out."""
        return MultipleChoice.samples(self, rotations(self.plain.asked(rows)))

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """As the plain benchmark asks."""
        return self.plain.request(sample, style, decoding)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """As the plain benchmark scores a row."""
        return self.plain.score(sample, response, rules)

    def left_out(self, rows: Iterable[Row]) -> int:
        """How many questions cannot be rotated and are not asked."""
        asked = self.plain.asked(rows)
        return sum(not can_rotate(row.choices, row.cells.get("answer")) for row in asked)


def rotated(benchmark: Benchmark) -> Rotated:
    """The circular form of a plain multiple-choice benchmark, named `NAME_circular`."""
    card = benchmark.card
    if not isinstance(benchmark, MultipleChoice):
        raise UsageError(
            f"{card.name} is {card.family}; only multiple choice has options to rotate.", key="--circular"
        )
    if card.circular:
        raise UsageError(f"{card.name} is circular as it is.", key="--circular", fix="Leave the flag out.")
    turned = replace(
        card,
        name=f"{card.name}{SUFFIX}",
        circular=True,
        rows=None,
        groups=card.rows,
        quoted="circular accuracy over questions",
        original="",
    )
    return Rotated(turned, benchmark)


def rotations(rows: Iterable[Row]) -> Iterator[Row]:
    """Each question's rotations one after another, the file's own row first."""
    for row in rows:
        choices = row.choices
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
