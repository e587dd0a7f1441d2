"""Multiple choice, plain and circular, and the circular form of any plain benchmark.

In a circular benchmark each question stands once in every rotation of its options. Pass k moves each option
text k letters forward (A's text to B, the last to A), and the answer letter goes with its text. Rotation k of
question i has the index `i + k * 1000000`, as in the files of MMBench.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlmbench.answers.choice import score_choice
from vlmbench.answers.circular import ROTATION, group_key, is_base, score_groups
from vlmbench.answers.judge import blink_prompt, choice_prompt, judged_choice, to_judge
from vlmbench.answers.toolkits import samples_as_read, vlmevalkit_records
from vlmbench.domain import (
    Benchmark,
    Card,
    Decoding,
    Metric,
    Original,
    Request,
    Response,
    Row,
    RuleSet,
    Sample,
    Score,
)  # fmt: skip
from vlmbench.errors import UsageError
from vlmbench.prompts import prompt_style
from vlmbench.stats import clustered_mean

from .figures import FigureUnit, mean_figures, metric, scored

LEVELS = ("l2-category", "category")
SUFFIX = "_circular"
_LONE_LETTER = re.compile(r"(?<![A-Za-z])[A-Z](?![A-Za-z])")


def problem_of(row: Row, choices: Mapping[str, str]) -> str | None:
    """Why this row cannot be a multiple-choice question, if it cannot."""
    if row.problem:
        return row.problem
    if not choices:
        return "no options: its columns A, B, … are empty or missing"
    answer = row.cells.get("answer")
    if answer is not None and answer not in choices:
        return f"the answer `{answer}` names no option of this row ({', '.join(choices)})"
    return None


@dataclass(frozen=True, slots=True)
class MultipleChoice:
    """A benchmark whose answers are letters; circular when its card says so."""

    card: Card
    original: Original | None = field(default=None, kw_only=True)
    """What the benchmark's authors published to score it."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """One question a row."""
        for row in self.asked(rows):
            choices = row.choices
            cells = row.cells
            answer = cells.get("answer")
            yield Sample(
                id=row.index,
                question=cells.get("question", ""),
                group=cells.get("g_index") or group_key(row.index) if self.card.circular else row.index,
                hint=cells.get("hint"),
                images=row.images,
                choices=choices,
                references=() if answer is None else (answer,),
                split=cells.get("split"),
                categories={level: cells[level] for level in LEVELS if level in cells},
                cells=cells,
                problem=self.problem_of(row, choices),
            )

    def asked(self, rows: Iterable[Row]) -> Iterable[Row]:
        """The rows that are questions of this benchmark: all."""
        return rows

    def problem_of(self, row: Row, choices: Mapping[str, str]) -> str | None:
        """Why a row cannot be asked, if it cannot."""
        return problem_of(row, choices)

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """Pictures and the worded question."""
        return prompt_style(style).request(sample, self.card, decoding)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """Right when the letter found is the reference."""
        return score_choice(sample, response, rules)

    def judge_request(self, sample: Sample, response: Response, rules: RuleSet) -> Request | None:
        """Which option does the answer mean?"""
        if not sample.choices or not sample.references:
            return None
        worded = blink_prompt if self.card.name.startswith("BLINK") else choice_prompt
        return to_judge(sample, worded(sample, response.text))

    def score_judged(self, sample: Sample, response: Response, reply: Response, rules: RuleSet) -> Score:
        """Right when the judge names the reference."""
        return judged_choice(sample, reply, rules)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The headline, each split and category, and for circular sets the plain accuracies beside them."""
        if not self.card.circular:
            return tabulate(row_units(samples, scores), LEVELS, headline="accuracy")
        units = [
            FigureUnit(g.base, g.value, len(g.rows), g.group) for g in score_groups(samples, scores, rules)
        ]
        return [*tabulate(units, LEVELS, headline="circular accuracy"), *plain_accuracy(samples, scores)]

    def vlmevalkit_records(
        self,
        samples: Sequence[Sample],
        scores: Mapping[RuleSet, Sequence[Score]],
        rules: RuleSet = "vlmevalkit",
    ) -> dict[str, object]:
        """That toolkit's result table for these scores; `rules` picks its generation."""
        seen = samples_as_read(samples, rules)
        if self.card.circular:
            groups = score_groups(seen, scores[rules], rules)
            units = [(group.base, group.value) for group in groups]
        else:
            units = [(s, score.value) for s, score in zip(seen, scores[rules], strict=True)]
        return {"records": vlmevalkit_records([(s, value) for s, value in units if value is not None])}


def row_units(samples: Sequence[Sample], scores: Sequence[Score]) -> list[FigureUnit]:
    """Every row, also one without a value: its category is named in the table."""
    return [FigureUnit(sample, score.value) for sample, score in zip(samples, scores, strict=True)]


def tabulate(units: Sequence[FigureUnit], levels: Iterable[str], *, headline: str) -> list[Metric]:
    """The headline, every split (when there are several), every category.

    A split is the figure's name only, as in results that are stored already.
    """
    table = mean_figures(units, levels, headline)
    return [replace(figure, split=None) if figure.level == "split" else figure for figure in table]


def plain_accuracy(samples: Sequence[Sample], scores: Sequence[Score]) -> list[Metric]:
    """What the circular sets would score without rotations: over base rows, and over all rows.

    Rows of one group share a picture and a question, so the error of the second is clustered.
    """
    rows = scored(samples, scores)
    base = mean_figures([row for row in rows if is_base(row.sample)], (), "base-row accuracy")[0]
    base = replace(base, level="base")
    if not rows:
        return [base, replace(base, name="row accuracy", level="row")]
    estimate = clustered_mean([row.value for row in rows], [row.sample.group for row in rows])
    return [base, metric("row accuracy", estimate, "row", rows=len(rows))]


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
                f"row `{row.index}` cannot be rotated: rotations are distinguished by whole-number indexes "
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
    return not any(letter in choices for text in choices.values() for letter in _LONE_LETTER.findall(text))


def rotate(row: Row, choices: Mapping[str, str], k: int) -> Row:
    """Rotation k of a row."""
    letters = list(choices)
    moved = {letters[(place + k) % len(letters)]: letter for place, letter in enumerate(letters)}
    cells = dict(row.cells)
    cells |= {to: choices[source] for to, source in moved.items()}
    if "answer" in cells:
        cells["answer"] = next(to for to, source in moved.items() if source == row.cells["answer"])
    return replace(row, index=str(int(row.index) + k * ROTATION), cells=cells)
