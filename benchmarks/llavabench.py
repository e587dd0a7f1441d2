"""LLaVA-Bench (In-the-Wild): open questions, each answer judged beside a reference answer.

The judge reads a caption in place of the picture, then the reference answer (`gpt4_ans`) and the answer,
and gives each 1 to 10 points in one line. Judges favour the first of two answers and their own kin, so the
figure needs the judge's name beside it. Temperature is 0 (the toolkit: 0.2). A reply without two
points: under the compatible sets both count as -1 in both means, as there; under `strict` the row is
not scored and is counted as unparsed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from vlmbench.answers.judge import judged_score, to_judge
from vlmbench.domain import Card, Metric, Request, Response, RuleSet, Sample, Score
from vlmbench.stats import mean_over

from . import served
from .families.figures import Scored, by_category, linearised, metric
from .families.open_answers import Judged

_POINTS = re.compile(r"\s*(\d+(?:\.\d+)?)\s*[ ,/]\s*(\d+(?:\.\d+)?)\s*(?:\n|$)")
_UNREAD = (-1.0, -1.0)
_MOST = 10.0

_PROMPT = """\
Two assistants answered a question about a picture. You cannot see the picture; a description of it \
stands in its place. Judge how helpful, relevant, accurate and detailed each answer is. Do not be swayed by \
which one comes first or is longer. Begin with one line that holds only two numbers from 1 to 10 with a \
blank between them: the points of the first assistant, then those of the second. Explain them in the lines \
below.

[Description]
{caption}

[Question]
{question}

[First assistant]
{reference}

[Second assistant]
{answer}

[Points]
"""


@dataclass(frozen=True, slots=True)
class LlavaBench(Judged):
    """Points for the answer relative to points for the reference."""

    def judge_request(self, sample: Sample, response: Response, rules: RuleSet) -> Request | None:
        """How good are the two answers?"""
        if rules == "xtuner":
            return None
        cells = {"caption": sample.cells["caption"], "reference": sample.cells["gpt4_ans"]}
        return to_judge(
            sample, _PROMPT.format(**cells, question=sample.question, answer=response.text), tokens=512
        )

    def score_judged(self, sample: Sample, response: Response, reply: Response, rules: RuleSet) -> Score:
        """`extracted` holds both points; `value` is the answer's, as a fraction of ten."""
        points = points_in(reply.text)
        if points is None:
            value = None if rules == "strict" else _UNREAD[1] / _MOST
            return judged_score(sample, rules, None, value, "does not begin with two points")
        return judged_score(sample, rules, f"{points[0]:g} {points[1]:g}", points[1] / _MOST, "")

    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
        """Over all, by category, then the two means by themselves."""
        own, reference = ([points_of(row)[place] / _MOST for row in rows] for place in (1, 0))
        pictures = [row.draw for row in rows]
        return [
            relative(rows, self.headline),
            *(relative(part, name, "category") for name, part in by_category(rows).items()),
            metric("points of the answers", mean_over(own, pictures), "points", rows=len(rows)),
            metric("points of the references", mean_over(reference, pictures), "points", rows=len(rows)),
        ]

    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """Relative score and both means in percent: over all, then by category."""
        parts = {"overall": rows, **by_category(rows)}
        return {"records": [record(name, part) for name, part in parts.items() if part]}


def points_in(reply: str) -> tuple[float, float] | None:
    """The two numbers of a reply's first line."""
    found = _POINTS.match(reply)
    if found is None:
        return None
    points = float(found[1]), float(found[2])
    return points if all(1 <= p <= _MOST for p in points) else None


def points_of(row: Scored) -> tuple[float, float]:
    """Points of the reference and of the answer."""
    if row.score.extracted is None:
        return _UNREAD
    points = points_in(row.score.extracted)
    # Where bounds suppose a row right there are no points: as good as the reference, then.
    return points or (_MOST, row.value * _MOST)


def relative(rows: Sequence[Scored], name: str, level: str = "overall") -> Metric:
    """The ratio of the two means, its error by the delta method. Over 1 where answers are the better ones."""
    pairs = [points_of(row) for row in rows]
    reference, answer = (sum(pair[place] for pair in pairs) for place in (0, 1))
    ratio = answer / reference if reference else 0.0
    effects = [(own - ratio * other) / reference if reference else 0.0 for other, own in pairs]
    estimate = linearised(ratio, effects, [row.draw for row in rows], ceiling=_MOST)
    return metric(name, estimate, level, rows=len(rows))


def record(name: str, rows: Sequence[Scored]) -> dict[str, object]:
    """A line of that toolkit's table."""
    pairs = [points_of(row) for row in rows]
    reference, answer = (sum(pair[place] for pair in pairs) / len(pairs) for place in (0, 1))
    return {
        "split": name,
        "Relative Score (main)": answer / reference * 100 if reference else 0.0,
        "VLM Score": answer * 10,
        "GPT4 Score": reference * 10,
    }


BENCHMARKS = (
    LlavaBench(
        Card(
            name="LLaVABench",
            measures="open questions about pictures in the wild, judged beside a reference answer",
            family="judged",
            file=served("LLaVABench", "d382a093f749a697820d3dadd61c8428"),
            licence="Apache-2.0 (annotations); the pictures keep the licences of their sources",
            source="LLaVA team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2304.08485",
            rows=60,
            judge=True,
            quoted="relative score, times 100 (LLaVA-Bench in LLaVA's tables; VLMEvalKit's too)",
            record='{"index": 0, "question": "What is this place?", "caption": "A crater with a black rim…", '
            '"gpt4_ans": "This is Diamond Head.", "category": "conv", "image": "/9j/4A…"}',
        ),
        headline="relative score",
        columns=("question", "caption", "gpt4_ans"),
        reference="gpt4_ans",
    ),
)
