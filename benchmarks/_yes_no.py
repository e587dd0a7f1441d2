"""Yes/no questions: from rows to questions, from answers to figures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vlmbench.answers.judge import judged_yes_no, to_judge, yes_no_prompt
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.answers.yes_no import NO, YES, score_yes_no
from vlmbench.domain import Card, Decoding, Metric, Original, Request, Response, Row, RuleSet, Sample, Score
from vlmbench.prompts import prompt_style

from ._figures import Scored, by, empty, mean_figures, percent, scored

LEVELS = ("l2-category", "category")


@dataclass(frozen=True, slots=True)
class YesNo:
    """A benchmark whose answers are `Yes` and `No`; pictures and the bare question in every prompt style."""

    card: Card
    original: Original | None = field(default=None, kw_only=True)
    """What the benchmark's authors published to score it."""
    suffix: str = ""
    """What the prompt adds to the question."""
    fold_case: bool = False
    """Whether `yes` in the file means `Yes` under the compatible rules too (AMBER)."""

    def samples(self, rows: Iterable[Row]) -> Iterator[Sample]:
        """One question a row."""
        for row in rows:
            cells = row.cells
            yield Sample(
                id=row.index,
                question=cells.get("question", ""),
                group=self.group_of(row),
                images=row.images,
                references=(cells["answer"],) if "answer" in cells else (),
                split=cells.get("split"),
                categories={level: cells[level] for level in LEVELS if level in cells},
                cells=cells,
                problem=row.problem or self.problem_of(row),
            )

    def group_of(self, row: Row) -> str:
        """Rows that a figure counts together are asked together."""
        return row.index

    def problem_of(self, row: Row) -> str | None:
        """Why this row cannot be one of these questions, if it cannot."""
        if "question" not in row.cells:
            return "the question is empty"
        answer = row.cells.get("answer")
        if answer is None:
            return "no answer to compare with: `answer` is empty" if self.card.answers else None
        if answer.strip().capitalize() not in (YES, NO):
            return f"the answer `{answer[:40]}` is neither Yes nor No"
        return None

    def request(self, sample: Sample, style: str, decoding: Decoding | None = None) -> Request:
        """Pictures and the question."""
        return prompt_style(style).request(sample, sample.question + self.suffix, self.card.family, decoding)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """Right when the word found is the reference."""
        return score_yes_no(sample, response, rules, fold_case=self.fold_case)

    def judge_request(self, sample: Sample, response: Response, rules: RuleSet) -> Request | None:
        """Does the answer say yes or no?"""
        return to_judge(sample, yes_no_prompt(sample, response.text)) if sample.references else None

    def score_judged(self, sample: Sample, response: Response, reply: Response, rules: RuleSet) -> Score:
        """Right when the judge says what the reference says."""
        return judged_yes_no(sample, reply, rules)

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """The figures, headline first; one empty figure where nothing was scored."""
        rows = scored(samples, scores)
        return self.figures(rows, rules) if rows else [empty(self.headline)]

    @property
    def headline(self) -> str:
        """Name of the figure that tables quote."""
        return "accuracy"

    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
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
        """One line: Overall, every category, every l2 category, in percent."""
        line = {"Overall": accuracy_percent(rows)}
        for level in reversed(LEVELS):
            parts = by(rows, lambda row, level=level: row.sample.categories.get(level))  # type: ignore[misc]
            line |= {name: accuracy_percent(part) for name, part in parts.items()}
        return {"columns": list(line), "records": [line]}


def accuracy_percent(rows: Sequence[Scored]) -> float:
    """The share of right rows."""
    return percent(sum(row.value for row in rows), len(rows))
