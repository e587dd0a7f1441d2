"""What several draws of a question amount to: their mean score, and the answer that most of them give.

Draws vote with what a rule set found in them; one in which it found nothing has no vote. Of answers with
equally many votes, the one drawn first wins: draws come in no order of merit, so this is as fair as a coin.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from vlmbench.domain import Score

Passes = Sequence[Sequence[Score]]
"""The scores of each draw under one rule set. Under some a draw lacks the rows that it did not answer."""


def combined(passes: Passes) -> list[Score]:
    """One score a question: the mean of its draws, and the answer of the majority.

    No value where a draw has none; then the reason is that draw's.
    """
    return [_mean(draws) for draws in _by_question(passes)]


def majority_scores(passes: Passes) -> list[Score]:
    """One score a question: that of the answer which most draws give."""
    return [draws[majority(draws)] for draws in _by_question(passes)]


def majority(draws: Sequence[Score]) -> int:
    """The first draw that gives the most frequent answer; the first of all where none has an answer."""
    found = [score.extracted for score in draws]
    votes = Counter(answer for answer in found if answer is not None)
    return found.index(votes.most_common(1)[0][0]) if votes else 0


def _by_question(passes: Passes) -> list[list[Score]]:
    found: dict[str, list[Score]] = {}
    for scores in passes:
        for score in scores:
            found.setdefault(score.id, []).append(score)
    return list(found.values())


def _mean(draws: Sequence[Score]) -> Score:
    judged = any(score.judged for score in draws)
    answer = replace(draws[majority(draws)], judged=judged)
    values = [score.value for score in draws if score.value is not None]
    if len(values) < len(draws):
        return next(replace(answer, value=None, reason=s.reason) for s in draws if s.value is None)
    return replace(answer, value=math.fsum(values) / len(values), reason=_words(values))


def _words(values: Sequence[float]) -> str:
    if all(value in (0, 1) for value in values):
        return f"{round(sum(values))} of {len(values)} draws right"
    return f"mean of {len(values)} draws"
