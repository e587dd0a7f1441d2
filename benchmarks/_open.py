"""Short answers: from rows to questions, from answers to figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vlmbench.answers.scores import Match, members_of, numpy_mean, references_of, score_open
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Card, Decoding, Metric, Original, Request, Response, Row, RuleSet, Sample, Score
from vlmbench.prompts import SHORT, prompt_style

from ._figures import Scored, by, empty, mean_figures, scored

LEVELS = ("l2-category", "category")


@dataclass(frozen=True, slots=True)
class ShortAnswer:
    """A benchmark answered in a word or a phrase; every prompt style asks in the same words."""

    card: Card
    original: Original | None = field(default=None, kw_only=True)
    """What the benchmark's authors published to score it."""
    match: Match
    """How an answer is compared with its references."""
    headline: str = "accuracy"
    """Name of the figure that tables quote."""
    suffix: str = SHORT
    """What the prompt adds to the question."""
    hint_prefix: str | None = None
    """Begins a line with the row's hint, after the question. None: hints are not shown."""
    hint_column: str = "hint"

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """One question a row."""
        for row in rows:
            cells = row.cells
            yield Sample(
                id=row.index,
                question=cells.get("question", ""),
                group=row.index,
                hint=hint_of(cells, self.hint_column) if self.hint_prefix else None,
                images=row.images,
                references=references_of(cells),
                split=cells.get("split"),
                categories={level: cells[level] for level in LEVELS if level in cells},
                cells=cells,
                problem=row.problem or self.problem_of(row),
            )

    def problem_of(self, row: Row) -> str | None:
        """Why this row cannot be one of these questions, if it cannot."""
        if "question" not in row.cells:
            return "the question is empty"
        if self.card.answers and not references_of(row.cells):
            return "no answer to compare with: `answer` is empty"
        return None

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """Pictures, the question, its hint where one is shown, and what the prompt adds."""
        hint = f"\n{self.hint_prefix}{sample.hint}" if self.hint_prefix and sample.hint else ""
        return prompt_style(style).request(
            sample, f"{sample.question}{hint}{self.suffix}", self.card.family, decoding
        )

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """What the answer is worth beside its references."""
        return score_open(sample, response, rules, self.match)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The figures, headline first; one empty figure where nothing was scored."""
        rows = scored(samples, scores)
        return self.figures(rows) if rows else [empty(self.headline)]

    def figures(self, rows: Sequence[Scored]) -> list[Metric]:
        """The figures of the rows that have a value; there is at least one."""
        return mean_figures(rows, LEVELS, self.headline)

    def vlmevalkit_records(
        self,
        samples: Sequence[Sample],
        scores: Mapping[RuleSet, Sequence[Score]],
        rules: RuleSet = "vlmevalkit",
    ) -> dict[str, object]:
        """That toolkit's result table for these scores."""
        return self.records(scored(samples_as_read(samples, rules), scores[rules]))

    def records(self, rows: Sequence[Scored]) -> dict[str, object]:
        """One line in percent: splits and Overall where there are splits, else Overall and categories."""
        splits = by(rows, lambda row: row.sample.split)
        overall = {"Overall": mean_percent(rows)}
        if splits:
            line = {name: mean_percent(part) for name, part in splits.items()} | overall
        else:
            parts = by(rows, lambda row: row.sample.categories.get("category"))
            line = overall | {name: mean_percent(part) for name, part in parts.items()}
        return {"columns": list(line), "records": [line]}


def mean_percent(rows: Sequence[Scored]) -> float:
    """The mean of the rows' values, to the last bit as numpy has it."""
    return numpy_mean([row.value for row in rows]) * 100


def hint_of(cells: Mapping[str, str], column: str) -> str | None:
    """The hint of a row; a list of texts becomes one line."""
    cell = cells.get(column)
    if cell is None:
        return None
    members = members_of(cell)
    return cell if members is None else ", ".join(members)
