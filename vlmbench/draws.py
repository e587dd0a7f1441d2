"""Several draws of one question: the ids they go by, and what they amount to.

Draw 0 has the question's own id, draw k from 1 on `ID#k`: in requests, responses.jsonl and scores.jsonl.
Only this module makes such ids or reads them. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from vlmbench.errors import DataError, UsageError

if TYPE_CHECKING:
    from vlmbench.domain import RuleSet, Score

T = TypeVar("T")

_NUMBERED = re.compile(r"(.*)#([1-9][0-9]{0,8})", re.DOTALL)


def draw_ids(sample_id: str, draws: int) -> list[str]:
    """The ids of the first draws of a question, in order."""
    return [sample_id, *(f"{sample_id}#{number}" for number in range(1, draws))]


def draw_of(request_id: str) -> tuple[str, int]:
    """The question and the number of a draw. Only where a run has several: any question may hold a `#`."""
    found = _NUMBERED.fullmatch(request_id)
    return (found[1], int(found[2])) if found else (request_id, 0)


def check_ids(sample_ids: Iterable[str]) -> None:
    """Refuse questions whose own ids look like those of draws."""
    for name in sample_ids:
        if draw_of(name)[1]:
            raise DataError(
                "draws of a question are named by `#` and a number, and the index of this row ends so.",
                row=name,
                fix="Rename the row, or leave --samples out.",
            )


def only_one_answer(draws: int) -> UsageError:
    """The refusal of several draws where nothing is drawn."""
    return UsageError(
        f"greedy decoding gives one answer to a question, so {draws} draws of it would be alike.",
        key="--samples",
        fix="Add --set-decoding temperature=0.7, or leave --samples out.",
    )


def drawn_ids(sample_ids: Iterable[str], known: Mapping[str, object], draws: int) -> list[str]:
    """The ids of at least so many draws of each question, and of as many more as are known."""
    found: list[str] = []
    for name in sample_ids:
        most = draws
        while f"{name}#{most}" in known:
            most += 1
        found += draw_ids(name, most)
    return found


def passes(by_id: Mapping[str, T], sample_ids: Iterable[str], draws: int) -> list[dict[str, T]]:
    """What belongs to each draw, by the questions' own ids; what is not there is left out."""
    found: list[dict[str, T]] = [{} for _ in range(draws)]
    for name in sample_ids:
        for number, own in enumerate(draw_ids(name, draws)):
            if own in by_id:
                found[number][name] = by_id[own]
    return found


def first_draws(by_id: Mapping[str, T], draws: int) -> dict[str, T]:
    """What belongs to so many draws of each question; a folder may have more."""
    return {
        own: value
        for own, value in by_id.items()
        if not ((found := draw_of(own))[1] >= draws and found[0] in by_id)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSpread:
    """How far scores lie apart, as standard deviations in the unit of a question's score."""

    within: float
    """Of draws of one question, over all questions."""
    between: float
    """Of questions, without what the draws add by chance."""
    questions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """Every draw of a run with several: each is one pass over all its questions."""

    scores: tuple[Mapping[RuleSet, tuple[Score, ...]], ...]
    """By draw and rule set, under the questions' own ids."""
    spread: Mapping[RuleSet, ScoreSpread]
    """Where questions have scores."""

    def of_all(self, rules: RuleSet) -> tuple[Score, ...]:
        """Every score, question by question, under the ids of the draws."""
        found: dict[str, list[Score]] = {}
        for number, scores in enumerate(self.scores):
            for score in scores[rules]:
                own = draw_ids(score.id, number + 1)[number]
                found.setdefault(score.id, []).append(replace(score, id=own))
        return tuple(score for draws in found.values() for score in draws)
