"""MME: two questions a picture, one to be answered Yes and one No, in fourteen categories.

A category is worth its accuracy plus its accuracy-plus, 100 points each; accuracy-plus is the share of
pictures with all questions right. VLMEvalKit looks at the first two questions of a picture in file order
and stops at a picture with only one: under the compatible rules such a category, and the sums it belongs
to, have no value. `strict` looks at all questions of a picture, leaves a picture with a single one out of
accuracy-plus, and reports how many there are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from vlmbench.answers.original.rules import read_mme
from vlmbench.answers.toolkits import samples_as_read
from vlmbench.domain import Card, Metric, Row, RuleSet, Sample, Score
from vlmbench.stats import mean_over

from . import served
from .families.figures import (
    Scored,
    by,
    check,
    empty,
    linearised,
    mean_figure,
    metric,
    percent,
    scored,
)
from .families.open_answers import YesNo, accuracy_percent
from .families.originals import RowByRow

PERCEPTION = (
    "OCR", "artwork", "celebrity", "color", "count", "existence", "landmark", "position", "posters", "scene",
)  # fmt: skip
COGNITION = ("code_reasoning", "commonsense_reasoning", "numerical_calculation", "text_translation")
_PERCEPTION_IN_ORDER = (
    "existence", "count", "position", "color", "posters", "celebrity", "scene", "landmark", "artwork", "OCR",
)  # fmt: skip
_COGNITION_IN_ORDER = ("commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning")
"""In the order in which the authors' script adds them up."""
PAIR = 2
"""Questions of a picture."""
POINTS = "points"
MOST = 200.0
"""Points of one category."""


@dataclass(frozen=True, slots=True)
class Mme(YesNo):
    """Yes/no questions in pairs, in points."""

    def group_of(self, row: Row) -> str:
        """The questions of a picture (`image_path` in the published file) are asked together."""
        picture = row.cells.get("image_path") or "+".join(row.images) or row.index
        return f"{row.cells.get('category', '')}: {picture}"

    def problem_of(self, row: Row) -> str | None:
        """As for any yes/no question; the category decides where it counts."""
        return YesNo.problem_of(self, row) if "category" in row.cells else "no category"

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[Metric]:
        """Perception, cognition, their sum; plain accuracies; every category in points."""
        rows = scored(samples, scores)
        if not rows:
            return [empty(self.headline, unit=POINTS)]
        parts = categories_of(samples, rows, rules)
        return [
            summed(parts, PERCEPTION, "perception"),
            summed(parts, COGNITION, "cognition"),
            summed(parts, PERCEPTION + COGNITION, "total"),
            mean_figure(rows, "accuracy"),
            accuracy_plus(parts),
            *(summed(parts, (name,), name, "category") for name in sorted(parts)),
            *lone_questions(samples),
            *outside(rows),
        ]

    def vlmevalkit_records(
        self,
        samples: Sequence[Sample],
        scores: Mapping[RuleSet, Sequence[Score]],
        rules: RuleSet = "vlmevalkit",
    ) -> dict[str, object]:
        """One line: the two sums, then categories in file order; None for what has no value."""
        seen = samples_as_read(samples, rules)
        parts = categories_of(seen, scored(seen, scores[rules]), rules)
        points = {name: part.percent_points for name, part in parts.items()}
        line = {"perception": _sum(points, PERCEPTION), "reasoning": _sum(points, COGNITION)} | points
        return {"columns": list(line), "records": [line]}


@dataclass(frozen=True, slots=True)
class MmePart:
    """The scored questions of one category, and by picture whether all that count are right."""

    rows: Sequence[Scored]
    pictures: Sequence[tuple[Sequence[Scored], float | None]]
    whole: bool
    """Whether its points are known."""

    @property
    def known(self) -> list[float]:
        """The pictures for which it is known."""
        return [pair for _, pair in self.pictures if pair is not None]

    @property
    def accuracy(self) -> float:
        """Share of right questions."""
        return sum(row.value for row in self.rows) / len(self.rows)

    @property
    def plus(self) -> float:
        """Share of pictures that are right as a whole."""
        return sum(self.known) / len(self.known)

    @property
    def percent_points(self) -> float | None:
        """The points as that toolkit adds them up, to the last bit."""
        if not self.whole:
            return None
        return accuracy_percent(self.rows) + percent(sum(self.known), len(self.known))

    def effects(self) -> list[float]:
        """How much each picture moves the points."""
        accuracy, plus, known = self.accuracy, self.plus, len(self.known)
        return [
            100 * sum(row.value - accuracy for row in rows) / len(self.rows)
            + (0.0 if pair is None else 100 * (pair - plus) / known)
            for rows, pair in self.pictures
        ]


@dataclass(frozen=True, slots=True)
class MmeEvaluator(RowByRow):
    """Their evaluator. It stops at a picture that has not two questions: such a category has no figure."""

    def metrics(self, samples: Sequence[Sample], scores: Sequence[Score]) -> list[Metric]:
        """Perception, cognition, their sum, and every category, in points."""
        rows = scored(samples, scores)
        if not rows:
            return [empty(self.headline, unit=POINTS)]
        asked = Counter(sample.group for sample in samples)
        stops = {sample.categories.get("category", "") for sample in samples if asked[sample.group] != PAIR}
        found = categories_of(samples, rows, "original")
        parts = {name: part for name, part in found.items() if name not in stops}
        return [
            as_added(parts, _PERCEPTION_IN_ORDER, "perception"),
            as_added(parts, _COGNITION_IN_ORDER, "cognition"),
            as_added(parts, _PERCEPTION_IN_ORDER + _COGNITION_IN_ORDER, "total"),
            *(as_added(parts, (name,), name, "category") for name in sorted(parts)),
            *outside(rows),
        ]


def as_added(
    parts: Mapping[str, MmePart], names: Sequence[str], title: str, level: str = "overall"
) -> Metric:
    """The points of some categories together, to the last bit as the authors' script adds them up."""
    figure = summed(parts, names, title, level)
    points = _sum({name: part.percent_points for name, part in parts.items()}, names)
    return figure if figure.value is None else replace(figure, value=points)


def categories_of(samples: Sequence[Sample], rows: Sequence[Scored], rules: RuleSet) -> dict[str, MmePart]:
    """The categories that have scored questions, in file order."""
    asked = Counter(sample.group for sample in samples)
    parts: dict[str, list[Scored]] = {}
    for row in rows:
        parts.setdefault(row.sample.categories.get("category", ""), []).append(row)
    return {name: _category(part, asked, rules) for name, part in parts.items()}


def _category(rows: Sequence[Scored], asked: Mapping[str, int], rules: RuleSet) -> MmePart:
    grouped = by(rows, lambda row: row.sample.group)
    pictures = [(part, _pair(part, asked[group], rules)) for group, part in grouped.items()]
    lone = any(asked[group] == 1 for group in grouped)
    known = any(pair is not None for _, pair in pictures)
    return MmePart(rows, pictures, known and (rules == "strict" or not lone))


def _pair(rows: Sequence[Scored], asked: int, rules: RuleSet) -> float | None:
    """Whether the questions that count are all right; None if there is one only, or some have no value."""
    if asked == 1:
        return None
    if any(row.value < 1 for row in rows[: None if rules == "strict" else 2]):
        return 0.0
    return 1.0 if len(rows) == asked else None


def summed(parts: Mapping[str, MmePart], names: Sequence[str], title: str, level: str = "overall") -> Metric:
    """The points of some categories together; empty if one is missing or has none."""
    if any(name not in parts or not parts[name].whole for name in names):
        return empty(title, level, unit=POINTS)
    chosen = [parts[name] for name in names]
    effects = [effect for part in chosen for effect in part.effects()]
    value = sum(100 * (part.accuracy + part.plus) for part in chosen)
    clusters = [questions[0].draw for part in chosen for questions, _ in part.pictures]
    estimate = linearised(value, effects, clusters, ceiling=MOST * len(names))
    return metric(title, estimate, level, rows=sum(len(part.rows) for part in chosen), unit=POINTS)


def accuracy_plus(parts: Mapping[str, MmePart]) -> Metric:
    """The share of pictures that are right as a whole, over all categories."""
    known = [(rows, pair) for part in parts.values() for rows, pair in part.pictures if pair is not None]
    if not known:
        return empty("accuracy-plus")
    estimate = mean_over([pair for _, pair in known], [rows[0].draw for rows, _ in known])
    return metric("accuracy-plus", estimate, rows=sum(len(rows) for rows, _ in known))


def lone_questions(samples: Sequence[Sample]) -> list[Metric]:
    """How many pictures have a single question, where there are any."""
    asked = Counter(sample.group for sample in samples)
    lone = sum(count == 1 for count in asked.values())
    if not lone:
        return []
    return [check("pictures with one question", lone, len(asked), "pictures")]


def outside(rows: Sequence[Scored]) -> list[Metric]:
    """How many questions are in none of the fourteen categories, so that neither sum counts them."""
    count = sum(row.sample.categories.get("category") not in PERCEPTION + COGNITION for row in rows)
    return [check("questions in no category of MME", count, len(rows), "questions")] if count else []


def _sum(points: Mapping[str, float | None], names: Sequence[str]) -> float | None:
    total = 0.0
    for name in names:
        value = points.get(name)
        if value is None:
            return None
        total += value
    return total


BENCHMARKS = (
    Mme(
        Card(
            name="MME",
            measures="perception and cognition, two questions a picture",
            family="yes-no",
            file=served("MME", "b36b43c3f09801f5d368627fb92187c3"),
            licence="research use, on request to its authors",
            source="MME team; file layout of VLMEvalKit",
            paper="https://arxiv.org/abs/2306.13394",
            rows=2374,
            groups=1187,
            original="BradyFU/Awesome-Multimodal-Large-Language-Models@dd29509 "
            "tools/eval_tool.zip eval_tool/calculation.py",
            quoted="perception, at most 2000 (LLaVA's tables); with cognition, at most 800, as `1511/348` "
            "(XTuner's); or the sum",
            record='{"index": 0, "category": "OCR", "question": "Is the logo that of a bank? '
            'Please answer yes or no.", "answer": "Yes", "image_path": "OCR/0001.jpg", "image": "/9j/4A…"}',
        ),
        original=MmeEvaluator(read_mme, headline="perception"),
        headline="perception",
    ),
)
