"""OCRBench: questions that are about nothing but text in pictures.

The bare question is asked. Right when a reference stands somewhere in the answer; in handwritten formulas
case counts and blanks do not. Six of the ten categories are reported as one, Text Recognition.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from vlmbench.answers.original import Verdict
from vlmbench.answers.original.rules import read_ocrbench
from vlmbench.answers.scores import score_open
from vlmbench.answers.short import match_contained
from vlmbench.domain import Card, Metric, Response, Row, RuleSet, Sample, Score
from vlmbench.stats import mean_over

from . import served
from .families.figures import Scored, by, by_category, mean_figure, metric
from .families.open_answers import ShortAnswer
from .families.originals import RowByRow

RECOGNITION = "Text Recognition"
FORMULAS = "Handwritten Mathematical Expression Recognition"
REPORTED = {
    "Regular Text Recognition": RECOGNITION,
    "Irregular Text Recognition": RECOGNITION,
    "Artistic Text Recognition": RECOGNITION,
    "Handwriting Recognition": RECOGNITION,
    "Digit String Recognition": RECOGNITION,
    "Non-Semantic Text Recognition": RECOGNITION,
    "Scene Text-centric VQA": "Scene Text-centric VQA",
    "Doc-oriented VQA": "Doc-oriented VQA",
    "Key Information Extraction": "Key Information Extraction",
    FORMULAS: FORMULAS,
}
"""Each category, and the one it is reported under."""

_match_formula = partial(match_contained, formula=True)


@dataclass(frozen=True, slots=True)
class OcrBench(ShortAnswer):
    """Short answers that are counted."""

    def problem_of(self, row: Row) -> str | None:
        """As for any short answer; the category decides how it is compared."""
        category = row.cells.get("category")
        if category not in REPORTED:
            return f"the category `{category}` is not one of OCRBench's ten" if category else "no category"
        return ShortAnswer.problem_of(self, row)

    def score(self, sample: Sample, response: Response, rules: RuleSet) -> Score:
        """Right when a reference is in the answer."""
        formula = sample.categories.get("category") == FORMULAS
        return score_open(sample, response, rules, _match_formula if formula else self.match)

    def figures(self, rows: Sequence[Scored], rules: RuleSet) -> list[Metric]:
        """The final score, the same as a share, counts by what is reported, shares by category."""
        parts = by(rows, _reported)
        return [
            _count(self.headline, rows, "overall"),
            _count("Final Score Norm", rows, "overall", scale=0.1),
            mean_figure(rows, "accuracy"),
            *(
                _count(name, parts[name], "reported")
                for name in dict.fromkeys(REPORTED.values())
                if name in parts
            ),
            *(mean_figure(part, name, "category") for name, part in by_category(rows).items()),
        ]

    def records(self, rows: Sequence[Scored], rules: RuleSet) -> dict[str, object]:
        """How many answers are right, by kind of text and in all."""
        parts = by(rows, _reported)
        counts: dict[str, object] = {name: _right(parts.get(name, [])) for name in REPORTED.values()}
        final = _right(rows)
        return {"type": "dict", "values": counts | {"Final Score": final, "Final Score Norm": final / 10}}


def _reported(row: Scored) -> str | None:
    return REPORTED.get(row.sample.categories.get("category", ""))


def _right(rows: Sequence[Scored]) -> int:
    return sum(row.value > 0 for row in rows)


def _count(name: str, rows: Sequence[Scored], level: str, *, scale: float = 1.0) -> Metric:
    estimate = mean_over([row.value for row in rows], [row.draw for row in rows])
    counted = metric(name, estimate, level, rows=len(rows), scale=len(rows) * scale, unit="points")
    return replace(counted, value=_right(rows) * scale)


def _read_as_authors(sample: Sample, answer: str) -> Verdict:
    return read_ocrbench(sample, answer, formula=sample.categories.get("category") == FORMULAS)


def _counts(rows: Sequence[Scored]) -> list[Metric]:
    """What the authors' script prints of the thousand questions: right answers, of each category too."""
    parts = by_category(rows)
    recognition = [row for name in REPORTED if REPORTED[name] == RECOGNITION for row in parts.get(name, [])]
    return [
        _count("Final Score", rows, "overall"),
        *([_count(RECOGNITION, recognition, "reported")] if recognition else []),
        *(_count(name, parts[name], "category") for name in REPORTED if name in parts),
    ]


def _ocrbench(name: str, *md5: str, under: str = "VLMEval", rows: int | None = None) -> OcrBench:
    return OcrBench(
        Card(
            name=name,
            measures="recognising text in scenes, documents, receipts and formulas",
            family="short-answer",
            file=served(name, *md5, under=under),
            licence="MIT (annotations); the pictures keep the licences of their sources",
            source="OCRBench team, from 29 data sets; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2305.07895",
            rows=rows,
            original="Yuliang-Liu/MultimodalOCR@794c36d OCRBench/example.py",
            quoted="Final Score, right answers of 1000 (the authors'), or a tenth (OpenVLM's leaderboard)",
            record='{"index": 0, "question": "what is written in the image?", "answer": "[\'CENTRE\']", '
            '"category": "Regular Text Recognition", "image": "/9j/4A…"}',
        ),
        original=RowByRow(_read_as_authors, _counts, "Final Score", "points"),
        match=match_contained,
        headline="Final Score",
        suffix="",
    )


BENCHMARKS = (
    _ocrbench("OCRBench", "e953d98a987cc6e26ef717b61260b778", rows=1000),
    # A part of it that VLMEvalKit tests itself with.
    _ocrbench("OCRBench_MINI", under="TEST"),
)
