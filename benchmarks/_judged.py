"""Answers that only a judge can read: the bare question is asked, and there is no figure without a judge."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from vlmbench.answers.judge import AWAITS_JUDGE
from vlmbench.answers.scores import score_of, unscored
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Card, Decoding, Metric, Original, Request, Response, Row, RuleSet, Sample, Score
from vlmbench.prompts import prompt_style

from ._figures import Scored, empty, scored


@dataclass(frozen=True, slots=True)
class Judged(ABC):
    """A benchmark of open answers. A row's value is None until a judge has read it."""

    card: Card
    original: Original | None = field(default=None, kw_only=True)
    """What the benchmark's authors published to score it."""
    headline: str
    """Name of the figure that tables quote."""
    columns: tuple[str, ...] = ("question", "answer")
    """Cells that no row can do without."""
    reference: str = "answer"
    """The cell an answer is judged beside."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """One question a row."""
        for row in rows:
            cells = row.cells
            yield Sample(
                id=row.index,
                question=cells.get("question", ""),
                group=row.index,
                images=row.images,
                references=(cells[self.reference],) if self.reference in cells else (),
                split=cells.get("split"),
                categories={"category": cells["category"]} if "category" in cells else {},
                cells=cells,
                problem=row.problem or self.problem_of(row),
            )

    def problem_of(self, row: Row) -> str | None:
        """Why this row cannot be one of these questions, if it cannot."""
        empty_ = next((name for name in self.columns if name not in row.cells), None)
        return None if empty_ is None else f"`{empty_}` is empty"

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """Pictures and the bare question, in every prompt style."""
        return prompt_style(style).request(sample, sample.question, self.card.family, decoding)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """No value before a judge has read the answer."""
        return score_of(sample, rules, None, None, unscored(sample, response, rules) or AWAITS_JUDGE)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The figures, headline first; one empty figure while any answer waits for a judge.

        Answers at which the judge failed are left out, as errors are.
        """
        rows = scored(samples, scores)
        waiting = any(score.value is None and score.reason == AWAITS_JUDGE for score in scores)
        return [empty(self.headline)] if waiting or not rows else self.figures(rows, rules)

    @abstractmethod
    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
        """The figures of the rows that have a value; there is at least one."""


def rows_seen(samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Scored]:
    """The rows with a value, as a rule set read them; rows that it did not see have no score."""
    kept = {score.id for score in scores}
    return scored([sample for sample in samples_as_read(samples, rules) if sample.id in kept], scores)
