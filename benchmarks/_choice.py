"""Multiple choice: from rows to questions, from answers to figures. Plain and circular."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from vlmbench.answers.choice import score_choice
from vlmbench.answers.circular import group_key, is_base, score_groups
from vlmbench.answers.judge import blink_prompt, choice_prompt, judged_choice, to_judge
from vlmbench.answers.toolkits import samples_as_read, vlmevalkit_records
from vlmbench.domain import Card, Decoding, Metric, Original, Request, Response, Row, RuleSet, Sample, Score
from vlmbench.prompts import prompt_style
from vlmbench.stats import clustered_mean

from ._tables import Unit, tabulate

LEVELS = ("l2-category", "category")


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
        wording = prompt_style(style)
        return wording.request(sample, wording.choice_text(sample), self.card.family, decoding)

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
            units = [Unit(s, score.value) for s, score in zip(samples, scores, strict=True)]
            return tabulate(units, LEVELS, headline="accuracy")
        groups = score_groups(samples, scores, rules)
        table = tabulate(
            [Unit(g.base, g.value, len(g.rows), g.group) for g in groups],
            LEVELS,
            headline="circular accuracy",
        )
        return [*table, *plain_accuracy(samples, scores)]

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


def plain_accuracy(samples: Sequence[Sample], scores: Sequence[Score]) -> list[Metric]:
    """What the circular sets would score without rotations: over base rows, and over all rows.

    Rows of one group share a picture and a question, so the error of the second is clustered.
    """
    scored = [(s, score.value) for s, score in zip(samples, scores, strict=True) if score.value is not None]
    base = tabulate([Unit(s, v) for s, v in scored if is_base(s)], (), headline="base-row accuracy")[0]
    if not scored:
        return [replace(base, level="base"), replace(base, name="row accuracy", level="row")]
    rows = clustered_mean([v for _, v in scored], [s.group for s, _ in scored])
    return [
        replace(base, level="base"),
        Metric(
            name="row accuracy",
            split=None,
            level="row",
            value=rows.value,
            n=len({s.group for s, _ in scored}),
            stderr=rows.stderr,
            ci95=rows.ci95,
            rows=len(scored),
        ),
    ]
