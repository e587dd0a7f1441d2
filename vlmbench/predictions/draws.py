"""A file with several draws of each question, as responses.jsonl of `vlmbench run --samples` has them."""

from __future__ import annotations

from dataclasses import replace

from vlmbench.draws import draw_of
from vlmbench.predictions.nouns import Answers, StoredAnswer


def answers_by_draw(answers: Answers) -> list[Answers]:
    """The answers of each draw, under the questions' own ids; all together where the file has no draws."""
    ids = {value for answer in answers.answers for value in answer.ids.values()}
    if not any(_is_later(value, ids) for value in ids):
        return [answers]
    found: dict[int, list[StoredAnswer]] = {}
    for answer in answers.answers:
        number = max((draw_of(value)[1] for value in answer.ids.values() if _is_later(value, ids)), default=0)
        own = {
            name: draw_of(value)[0] if _is_later(value, ids) else value for name, value in answer.ids.items()
        }
        found.setdefault(number, []).append(replace(answer, ids=own))
    return [replace(answers, answers=tuple(found.get(number, ()))) for number in range(max(found) + 1)]


def _is_later(value: str, ids: set[str]) -> bool:
    """Whether this is a draw after the first one of a question that is here too."""
    name, number = draw_of(value)
    return number > 0 and name in ids
