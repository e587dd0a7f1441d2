"""A finished run as a noun: light until its answers, scores or questions are asked for.

`vlmbench.report.runs.open_run` makes one from a folder. What is heavy comes through functions given at
birth, so that code that works with runs needs to know neither files nor registry.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from vlmbench.answers.majority import combined
from vlmbench.domain import Benchmark, Card, ImageSource, Response, RuleSet, Sample, Score
from vlmbench.draws import draw_of

CIRCULAR = "circular accuracy"
"""The headline of every benchmark that asks each question in all rotations of its options."""

Scores = Mapping[RuleSet, tuple[Score, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What a run was asked."""

    samples: tuple[Sample, ...]
    """The rows of this run, in file order."""
    benchmark: Benchmark | None = None
    """Circular if the run asked a plain one so; None where it is not known here."""
    images: ImageSource | None = None
    """None where only the run's own table was there to read, which has no pictures."""
    missing: str = ""
    """Why there are no pictures, and what brings them."""
    shown: bool = True
    """The rows name their pictures; without them it is not known which rows share one."""

    @property
    def card(self) -> Card | None:
        """Of the benchmark."""
        return self.benchmark.card if self.benchmark else None


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A run folder that was read and found sound. Without slots, because what is heavy is kept once read."""

    folder: Path
    spec: Mapping[str, Any]
    """As in run.json."""
    facts: Mapping[str, Any]
    """What was locked: digests of data, weights and prompts; decoding."""
    sittings: tuple[Mapping[str, Any], ...]
    """When, where and with what it ran."""
    results: Mapping[str, Any]
    """results.json, valid against its schema."""
    read_scores: Callable[[], Scores]
    """Every line of scores.jsonl; those of draw k under the id of that draw."""
    read_responses: Callable[[], Mapping[str, Response]]
    read_questions: Callable[[], Questions]

    @property
    def model(self) -> str:
        """The model as named on the command line."""
        return str(self.results["model"])

    @property
    def name(self) -> str:
        """What tables and boards call the model."""
        return str(self.results.get("name") or self.model)

    @property
    def benchmark(self) -> str:
        """The benchmark's name."""
        return str(self.results["benchmark"])

    @property
    def rules(self) -> RuleSet:
        """The rule set of its headline."""
        rules: RuleSet = self.results["rules"]
        return rules

    @property
    def circular(self) -> bool:
        """Whether a question counts only if it is right in every rotation."""
        return bool(self.results["headline"]["name"] == CIRCULAR)

    @property
    def whole(self) -> bool:
        """Every question asked has an answer that is not an error."""
        return bool(self.results["complete"])

    @property
    def draws(self) -> int:
        """How many answers were drawn to each question."""
        return int(self.results.get("draws", {}).get("number", 1))

    @cached_property
    def passes(self) -> tuple[Scores, ...]:
        """What each row is worth in each draw, by rule set, under the row's own id."""
        scores = self.read_scores()
        if self.draws == 1:
            return (scores,)
        return _by_draw(scores, self.draws)

    @cached_property
    def scores(self) -> Scores:
        """What each row is worth, by rule set; of several draws their mean and the majority's answer."""
        if self.draws == 1:
            return self.passes[0]
        return {rules: tuple(combined([scores[rules] for scores in self.passes])) for rules in self.passes[0]}

    @cached_property
    def responses(self) -> Mapping[str, Response]:
        """The answers, by row."""
        return self.read_responses()

    @cached_property
    def questions(self) -> Questions:
        """The rows as they were asked; pictures too where the benchmark's file is at hand.

        Raises a UserError where neither that file nor the run's own table can be read.
        """
        return self.read_questions()


def _by_draw(scores: Scores, draws: int) -> tuple[Scores, ...]:
    found: list[dict[RuleSet, list[Score]]] = [{rules: [] for rules in scores} for _ in range(draws)]
    for rules, rows in scores.items():
        for score in rows:
            name, number = draw_of(score.id)
            if number < draws:
                found[number][rules].append(replace(score, id=name))
    return tuple({rules: tuple(rows) for rules, rows in one.items()} for one in found)
