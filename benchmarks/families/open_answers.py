"""Questions without options: yes/no, short answers, and open answers that a judge reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from vlmbench.answers.judge import AWAITS_JUDGE, judged_yes_no, to_judge, yes_no_prompt
from vlmbench.answers.scores import (
    Match,
    members_of,
    numpy_mean,
    references_of,
    score_of,
    score_open,
    unscored,
)
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.answers.yes_no import NO, YES, score_yes_no
from vlmbench.domain import Card, Decoding, Metric, Original, Request, Response, Row, RuleSet, Sample, Score
from vlmbench.prompts import SHORT, prompt_style

from .figures import Scored, by, by_category, empty, mean_figures, percent, scored

LEVELS = ("l2-category", "category")


@dataclass(frozen=True, slots=True)
class OpenQuestions(ABC):
    """A benchmark that asks each row in the same words under every prompt style, and scores it alone."""

    card: Card
    original: Original | None = field(default=None, kw_only=True)
    """What the benchmark's authors published to score it."""
    headline: str = field(default="accuracy", kw_only=True)
    """Name of the figure that tables quote."""
    suffix: str = field(default="", kw_only=True)
    """What the prompt adds to the question."""

    levels: ClassVar[tuple[str, ...]] = LEVELS
    """The columns that the figures go by."""
    unit: ClassVar[str] = "fraction"
    """Of the headline."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """One question a row."""
        for row in rows:
            cells = row.cells
            yield Sample(
                id=row.index,
                question=cells.get("question", ""),
                group=self.group_of(row),
                hint=self.hint_of(cells),
                images=row.images,
                references=self.references_of(cells),
                split=cells.get("split"),
                categories={level: cells[level] for level in self.levels if level in cells},
                cells=cells,
                problem=row.problem or self.problem_of(row),
            )

    def group_of(self, row: Row) -> str:
        """Rows that a figure counts together are asked together."""
        return row.index

    def hint_of(self, cells: Mapping[str, str]) -> str | None:
        """The hint of a row, for a family that shows it."""
        return None

    def references_of(self, cells: Mapping[str, str]) -> tuple[str, ...]:
        """What an answer is compared with."""
        return references_of(cells)

    def problem_of(self, row: Row) -> str | None:
        """Why this row cannot be one of these questions, if it cannot."""
        if "question" not in row.cells:
            return "the question is empty"
        if self.card.answers and not self.references_of(row.cells):
            return "no answer to compare with: `answer` is empty"
        return None

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """Pictures, the question, and what the prompt adds."""
        return prompt_style(style).request(sample, self.card, decoding, suffix=self.suffix)

    @abstractmethod
    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """What the answer is worth."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The figures, headline first; one empty figure where nothing was scored."""
        rows = scored(samples, scores)
        return self.figures(rows, rules) if rows else [empty(self.headline, unit=self.unit)]

    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
        """The figures of the rows that have a value; there is at least one."""
        return mean_figures(rows, self.levels, self.headline)

    def vlmevalkit_records(
        self,
        samples: Sequence[Sample],
        scores: Mapping[RuleSet, Sequence[Score]],
        rules: RuleSet = "vlmevalkit",
    ) -> dict[str, object]:
        """That toolkit's result table for these scores. Rows that it does not see have no score."""
        kept = {score.id for score in scores[rules]}
        seen = [sample for sample in samples_as_read(samples, rules) if sample.id in kept]
        return self.records(scored(seen, scores[rules]), rules)

    @abstractmethod
    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """That table, of the rows that have a value."""


@dataclass(frozen=True, slots=True)
class YesNo(OpenQuestions):
    """A benchmark whose answers are `Yes` and `No`."""

    fold_case: bool = False
    """Whether `yes` in the file means `Yes` under the compatible rules too (AMBER)."""

    def references_of(self, cells: Mapping[str, str]) -> tuple[str, ...]:
        """The answer as it stands in the file."""
        return (cells["answer"],) if "answer" in cells else ()

    def problem_of(self, row: Row) -> str | None:
        """As for any question; the answer is Yes or No."""
        answer = row.cells.get("answer")
        if "question" not in row.cells or answer is None or answer.strip().capitalize() in (YES, NO):
            return OpenQuestions.problem_of(self, row)
        return f"the answer `{answer[:40]}` is neither Yes nor No"

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """Right when the word found is the reference."""
        return score_yes_no(sample, response, rules, fold_case=self.fold_case)

    def judge_request(self, sample: Sample, response: Response, rules: RuleSet) -> Request | None:
        """Does the answer mean yes or no?"""
        return to_judge(sample, yes_no_prompt(sample, response.text)) if sample.references else None

    def score_judged(self, sample: Sample, response: Response, reply: Response, rules: RuleSet) -> Score:
        """Right when the judge names the reference."""
        return judged_yes_no(sample, reply, rules)

    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """One line: Overall, every category, every l2 category, in percent."""
        line = {"Overall": accuracy_percent(rows)}
        for level in reversed(LEVELS):
            line |= {name: accuracy_percent(part) for name, part in by_category(rows, level).items()}
        return {"columns": list(line), "records": [line]}


@dataclass(frozen=True, slots=True)
class ShortAnswer(OpenQuestions):
    """A benchmark answered in a word or a phrase."""

    match: Match
    """How an answer is compared with its references."""
    suffix: str = field(default=SHORT, kw_only=True)
    hint_prefix: str | None = None
    """Begins a line with the row's hint, after the question. None: hints are not shown."""
    hint_column: str = "hint"

    def hint_of(self, cells: Mapping[str, str]) -> str | None:
        """The hint of a row; a list of texts becomes one line."""
        cell = cells.get(self.hint_column)
        if self.hint_prefix is None or cell is None:
            return None
        members = members_of(cell)
        return cell if members is None else ", ".join(members)

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """Pictures, the question, its hint where one is shown, and what the prompt adds."""
        hint = f"\n{self.hint_prefix}{sample.hint}" if self.hint_prefix and sample.hint else ""
        question = f"{sample.question}{hint}"
        return prompt_style(style).request(sample, self.card, decoding, question=question, suffix=self.suffix)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """What the answer is worth beside its references."""
        return score_open(sample, response, rules, self.match)

    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """One line in percent: splits and Overall where there are splits, else Overall and categories."""
        splits = by(rows, lambda row: row.sample.split)
        parts = {name: mean_percent(part) for name, part in (splits or by_category(rows)).items()}
        overall = {"Overall": mean_percent(rows)}
        line = parts | overall if splits else overall | parts
        return {"columns": list(line), "records": [line]}


@dataclass(frozen=True, slots=True)
class Judged(OpenQuestions):
    """A benchmark of open answers. A row's value is None until a judge has read it."""

    columns: tuple[str, ...] = ("question", "answer")
    """Cells that no row can do without."""
    reference: str = "answer"
    """The cell an answer is judged beside."""

    levels: ClassVar[tuple[str, ...]] = ("category",)

    def references_of(self, cells: Mapping[str, str]) -> tuple[str, ...]:
        """The text an answer is judged beside."""
        return (cells[self.reference],) if self.reference in cells else ()

    def problem_of(self, row: Row) -> str | None:
        """Why this row cannot be one of these questions, if it cannot."""
        missing = next((name for name in self.columns if name not in row.cells), None)
        return None if missing is None else f"`{missing}` is empty"

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """No value before a judge has read the answer."""
        return score_of(sample, rules, None, None, unscored(sample, response, rules) or AWAITS_JUDGE)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The figures, headline first; one empty figure while any answer waits for a judge.

        Answers at which the judge failed are left out, as errors are.
        """
        if any(score.value is None and score.reason == AWAITS_JUDGE for score in scores):
            return [empty(self.headline)]
        return OpenQuestions.metrics(self, samples, scores, rules)


def accuracy_percent(rows: Sequence[Scored]) -> float:
    """The share of right rows."""
    return percent(sum(row.value for row in rows), len(rows))


def mean_percent(rows: Sequence[Scored]) -> float:
    """The mean of the rows' values, to the last bit as numpy has it."""
    return numpy_mean([row.value for row in rows]) * 100
