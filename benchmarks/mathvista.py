"""MathVista testmini: mathematics that has to be seen, in figures, plots, tables and puzzles.

The question already holds the wanted form of the answer and its choices. Rules first; a judge extracts the
answer where they read none, and rules compare what it extracts. There is no figure without a judge. How
answers are read is in `vlmbench/answers/mathvista.py`:

    compatible  a letter found in any answer settles multiple choice, right or wrong; a number settles
                the row only if it is right as it stands and not 0. Texts and lists are never right, though
                the judge is asked about them. A judge's extract counts as it is, `7.0` is not the integer 7.
    strict      whole numbers may be written `7.0`, decimals are compared at the row's precision, texts and
                lists by their content. An extract that cannot be read leaves the row unparsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.answers.judge import AWAITS_JUDGE, judged_score, to_judge
from vlmbench.answers.mathvista import CHOICE, read_answer, task_of
from vlmbench.answers.original import Verdict
from vlmbench.answers.original.judged import extraction_of, read_mathvista
from vlmbench.answers.scores import members_of, score_of, unscored
from vlmbench.domain import Card, Metric, Request, Response, Row, RuleSet, Sample, Score

from . import served
from .families.figures import Scored, mean_figure, percent
from .families.open_answers import Judged
from .families.originals import FromJudgments

ACCURACY = "accuracy"
GROUPED_BY = (
    "question_type",
    "answer_type",
    "language",
    "source",
    "category",
    "task",
    "context",
    "grade",
    "skill",
)
"""What the authors' script makes figures of."""

_PROMPT = """\
Take the final answer out of what somebody said about a question on mathematics. Reply with that answer \
alone, in the form the hint asks for, without a unit. Do not solve the question yourself.

Question: Hint: Give a whole number. How many beads are on the string?
Said: Counting from the left I get four red ones and five blue ones, so nine altogether.
Answer: 9

Question: Hint: Give a number with one decimal. What is the mean of the bars?
Said: The mean is about 3.5 cm.
Answer: 3.5

Question: Hint: Give a number with two decimals. What share of the circle is shaded?
Said: A quarter is shaded, which gives 0.25.
Answer: 0.25

Question: Hint: Give a list. Between which years did sales fall?
Said: They fell from 2011 to 2014.
Answer: [2011, 2014]

Question: Hint: Give the letter of the option. Which angle is right? Choices: (A) PQR (B) QRP (C) RPQ
Said: The right angle is the one at R, that is QRP.
Answer: B

"""


@dataclass(frozen=True, slots=True)
class MathVista(Judged):
    """Rules first, then a judge that extracts; accuracy by task and by skill."""

    def problem_of(self, row: Row) -> str | None:
        """Options must be a list that holds the answer."""
        if row.cells.get("question_type") == CHOICE and task_of(row.cells) is None:
            return "`choices` is not a list with the answer"
        return Judged.problem_of(self, row)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """What the rules read; a row they cannot read waits for the judge."""
        why_not, task = unscored(sample, response, rules), task_of(sample.cells)
        if why_not is not None or task is None:
            return score_of(sample, rules, None, None, why_not or "the row has no task")
        read = read_answer(response.text, task, rules, by_judge=False)
        if read.found is None:
            return score_of(sample, rules, None, None, AWAITS_JUDGE)
        return score_of(sample, rules, read.found, float(read.right), "read by rule")

    def judge_request(self, sample: Sample, response: Response, rules: RuleSet) -> Request | None:
        """Which answer does this text come to?"""
        if rules == "xtuner" or task_of(sample.cells) is None:
            return None
        return to_judge(sample, f"{_PROMPT}Question: {sample.question}\nSaid: {response.text}\nAnswer:")

    def score_judged(self, sample: Sample, response: Response, reply: Response, rules: RuleSet) -> Score:
        """Right when what the judge extracts is the reference."""
        task = task_of(sample.cells)
        read = read_answer(reply.text, task, rules, by_judge=True) if task else None
        found, right = (read.found, read.right) if read else (None, False)
        return judged_score(sample, rules, found, float(right), "holds no answer of the kind wanted")

    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
        """Over all, by task, by skill; a row has several skills."""
        return figures_by(rows, ("task", "skill"))

    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """Rows, rows settled without the judge, right ones, percentage: over all, by task and skill."""
        parts = {"Overall": list(rows)}
        for row in rows:
            for level in ("task", "skill"):
                for name in parts_of(row.sample, level):
                    parts.setdefault(name, []).append(row)
        return {"records": [record(name, part) for name, part in parts.items()]}


def parts_of(sample: Sample, level: str) -> tuple[str, ...]:
    """The skills of a row, or what stands in another column: its task, its source, …"""
    if level != "skill":
        return (sample.cells[level],) if level in sample.cells else ()
    cell = sample.cells.get("skills", "")
    return members_of(cell) or ((cell,) if cell else ())


def read_as_authors(sample: Sample, answer: str) -> Verdict:
    """What their rules extract; the rest awaits an extract of GPT-4's."""
    extraction = extraction_of(sample.cells, answer)
    return (
        Verdict(None, None, AWAITS_JUDGE) if extraction is None else read_mathvista(sample.cells, extraction)
    )


def figures_as_authors(rows: Sequence[Scored]) -> list[Metric]:
    """By every column that their script groups by, as far as the file has it."""
    return figures_by(rows, GROUPED_BY)


def figures_by(rows: Sequence[Scored], levels: Sequence[str]) -> list[Metric]:
    """Accuracy over all and by each level; a row may have several names at one."""
    table = [mean_figure(rows, ACCURACY)]
    for level in levels:
        names = sorted({name for row in rows for name in parts_of(row.sample, level)})
        parts = {name: [row for row in rows if name in parts_of(row.sample, level)] for name in names}
        table += [mean_figure(part, name, level) for name, part in parts.items()]
    return table


def record(name: str, rows: Sequence[Scored]) -> dict[str, object]:
    """A line of that toolkit's table."""
    hits = sum(int(row.value) for row in rows)
    return {
        "Task&Skill": name,
        "tot": len(rows),
        "prefetch": sum(not row.score.judged and row.score.extracted is not None for row in rows),
        "hit": hits,
        "acc": percent(hits, len(rows)),
    }


def _read_judgment(sample: Sample, judgment: str) -> Verdict:
    return read_mathvista(sample.cells, judgment)


BENCHMARKS = (
    MathVista(
        Card(
            name="MathVista_MINI",
            measures="mathematics that has to be seen",
            family="judged",
            file=served("MathVista_MINI", "f199b98e178e5a2a20e7048f5dcb0464"),
            licence="CC BY-SA 4.0 (annotations); the pictures keep the licences of their sources",
            source="MathVista team, from 31 data sets; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2310.02255",
            splits=("testmini",),
            rows=1000,
            judge=True,
            original="lupantech/MathVista@53d5258 evaluation/extract_answer.py and calculate_score.py",
            quoted="accuracy over all (ALL of the authors' leaderboard; `Overall` of VLMEvalKit)",
            record='{"index": 1, "question": "Hint: Please answer … How many?", "answer": "4", '
            '"question_type": "free_form", "answer_type": "integer", "task": "figure question answering", '
            '"skills": "[\'arithmetic reasoning\']", "image": "/9j/4A…"}',
        ),
        original=FromJudgments(
            read_as_authors,
            figures_as_authors,
            judged=_read_judgment,
        ),
        headline=ACCURACY,
    ),
)
