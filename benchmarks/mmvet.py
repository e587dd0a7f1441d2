"""MM-Vet: open questions that need several abilities at once, graded from 0 to 1 by a judge.

In an answer, `<AND>` joins parts that are all wanted and `<OR>` alternatives. A grade is another model's
opinion and moves with it: name the judge beside the number (published tables: GPT-4). The judge sees
question, reference and answer, not the picture. Temperature is 0 and a grade is asked once (`strict`) or up
to three times (the toolkit asks five times, ever warmer). Under the compatible sets a reply without a grade
is worth 0, as there; under `strict` too, but the row counts as unparsed and shows in the bounds. The
compatible sets count a row for an ability whose name stands anywhere in `category`; `strict` splits the
list at its commas. With the six names there are, both agree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from vlmbench.answers.judge import AWAITS_JUDGE, judged_score, to_judge
from vlmbench.answers.original import Verdict
from vlmbench.answers.original.judged import grades_in, read_mmvet, rounded, totals
from vlmbench.answers.scores import numpy_mean
from vlmbench.domain import Card, Metric, Request, Response, RuleSet, Sample, Score
from vlmbench.stats import mean_over

from . import served
from .families.figures import Scored, by_category, empty, mean_figure, metric
from .families.open_answers import Judged, mean_percent
from .families.originals import FromJudgments

ABILITIES = ("rec", "ocr", "know", "gen", "spat", "math")

MOST_RUNS = 1000
"""Runs of the grader that a file may hold; the paper has five."""

_NUMBER = re.compile(r"(?<![\d.])(?:0(?:\.\d+)?|1(?:\.0+)?|\.\d+)(?![\d.]*\d)")

_PROMPT = """\
Grade an answer to a question about a picture that you cannot see. Compare it with the correct answer and \
give a number from 0.0 (nothing of it is right) to 1.0 (all of it is right), in steps of 0.1. In the correct \
answer <AND> joins parts that are all needed, and <OR> joins alternatives of which one is enough. Other \
words for the same thing are right. Reply with the number and nothing else.

Question: Which fruits are on the plate?
Correct answer: pear <AND> plum
Answer: There is a pear on it.
Grade: 0.5

Question: Which fruits are on the plate?
Correct answer: pear <AND> plum
Answer: I see a plum next to a pear.
Grade: 1.0

Question: How much do both tickets cost?
Correct answer: 14 <OR> 14 dollars
Answer: It says seven dollars each, so twelve in all.
Grade: 0.0

Question: Why is the boy laughing?
Correct answer: The dog on the skateboard wears his father's hat.
Answer: Because a dog is riding a skateboard.
Grade: 0.4

"""


@dataclass(frozen=True, slots=True)
class MMVet(Judged):
    """Grades from 0 to 1, by ability and by set of abilities."""

    def judge_request(self, sample: Sample, response: Response, rules: RuleSet) -> Request | None:
        """How right is the answer?"""
        if not sample.references or rules == "xtuner":
            return None
        answer = sample.cells["answer"]
        text = f"Question: {sample.question}\nCorrect answer: {answer}\nAnswer: {response.text}\nGrade:"
        return to_judge(sample, _PROMPT + text, tokens=64)

    def score_judged(self, sample: Sample, response: Response, reply: Response, rules: RuleSet) -> Score:
        """The grade; 0 where the reply has none."""
        grade = grade_in(reply.text, rules)
        return judged_score(
            sample, rules, None if grade is None else str(grade), grade or 0.0, "has no grade"
        )

    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
        """Over all, by ability, by set of abilities."""
        table = [mean_figure(rows, self.headline)]
        for ability in ABILITIES:
            part = [row for row in rows if needs(row.sample, ability, rules)]
            if part:
                table.append(mean_figure(part, ability, "ability"))
        return [*table, *(mean_figure(part, name, "category") for name, part in by_category(rows).items())]

    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """Number of rows and mean grade in percent: each ability, then all."""
        parts = {name: [row for row in rows if needs(row.sample, name, rules)] for name in ABILITIES}
        return {
            "records": [
                {"Category": name, "tot": len(part), "acc": mean_percent(part)}
                for name, part in (parts | {"Overall": list(rows)}).items()
            ]
        }


def needs(sample: Sample, ability: str, rules: RuleSet) -> bool:
    """Whether a question needs an ability."""
    listed = sample.categories.get("category", "")
    return ability in ([part.strip() for part in listed.split(",")] if rules == "strict" else listed)


def grade_in(reply: str, rules: RuleSet) -> float | None:
    """The grade a reply gives: all of it under the compatible sets, the only one in it under `strict`."""
    if rules == "strict":
        found = {float(number) for number in _NUMBER.findall(reply)}
        return found.pop() if len(found) == 1 else None
    try:
        grade = float(reply)
    except ValueError:
        return None
    return grade if 0 <= grade <= 1 else None


def figures_as_authors(rows: Sequence[Scored]) -> list[Metric]:
    """Total, abilities and their sets (the commonest first) in percent, then the runs and their spread."""
    runs = totals([_grades_of(row) for row in rows])
    return [
        _percentage(rows, "total", "overall"),
        *(_percentage(part, name, "ability") for name, part in _commonest(rows, ",")),
        *(_percentage(part, name, "category") for name, part in _commonest(rows, None)),
        _of_runs("std", _deviation(runs), rows),
        *(_of_runs(f"run {place}", total, rows) for place, total in enumerate(runs, 1)),
    ]


def _of_runs(name: str, value: float, rows: Sequence[Scored]) -> Metric:
    return replace(empty(name, "runs", unit="points"), value=rounded(value), n=len(rows), rows=len(rows))


def _percentage(rows: Sequence[Scored], name: str, level: str) -> Metric:
    estimate = mean_over([row.value for row in rows], [row.draw for row in rows])
    figure = metric(name, estimate, level, rows=len(rows), scale=100, unit="points")
    return replace(figure, value=rounded(numpy_mean(totals([_grades_of(row) for row in rows]))))


def _grades_of(row: Scored) -> tuple[float, ...]:
    """The grade of each run; a row that bounds suppose right or wrong has none, and is that in all."""
    return (row.score.judged and grades_in(row.score.extracted or "")) or (row.value,) * MOST_RUNS


def _commonest(rows: Sequence[Scored], separator: str | None) -> list[tuple[str, list[Scored]]]:
    """The rows of each ability, or with no separator of each set of them, the largest first."""
    parts: dict[str, list[Scored]] = {}
    for row in rows:
        listed = row.sample.categories.get("category", "")
        for name in [listed] if separator is None else dict.fromkeys(listed.split(separator)):
            parts.setdefault(name, []).append(row)
    return sorted(parts.items(), key=lambda part: -len(part[1]))


def _deviation(values: Sequence[float]) -> float:
    import numpy as np

    return float(np.std(values))


def _awaits_judge(_sample: Sample, _answer: str) -> Verdict:
    return Verdict(None, None, AWAITS_JUDGE)


def _read_grades(_sample: Sample, grades: str) -> Verdict:
    return read_mmvet(grades)


BENCHMARKS = (
    MMVet(
        Card(
            name="MMVet",
            measures="open questions that need several abilities at once",
            family="judged",
            file=served("MMVet", "748aa6d4aa9d4de798306a63718455e3"),
            licence="Apache-2.0 (annotations); the pictures keep the licences of their sources",
            source="MM-Vet team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2308.02490",
            rows=218,
            judge=True,
            original="yuweihao/MM-Vet@acde843 mm-vet_evaluator.py",
            quoted="mean grade, times 100 (total in the authors' and LLaVA's tables; VLMEvalKit's `Overall`)",
            record='{"index": 0, "question": "What is x in the equation?", "answer": "-1 <AND> -5", '
            '"category": "ocr,math", "image": "/9j/4A…"}',
        ),
        original=FromJudgments(
            _awaits_judge,
            figures_as_authors,
            "total",
            "points",
            judged=_read_grades,
        ),
        headline="mean grade",
    ),
)
