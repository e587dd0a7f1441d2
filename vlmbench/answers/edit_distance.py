"""ANLS (DocVQA, InfoVQA): how many characters the answer is away from the nearest reference.

Distance = Levenshtein over the length of the longer text; an answer further away than half is worth 0.
VLMEvalKit divides the distance of the tidied texts by the length of the raw ones, so that blanks in an
answer make it better; `strict` divides by the length of what it compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from vlmbench.answers.scores import Matched
from vlmbench.answers.wording import plain
from vlmbench.domain import RuleSet

THRESHOLD = 0.5


def match_anls(answer: str, references: Sequence[str], rules: RuleSet) -> Matched:
    """1 less the best distance, or 0 if that is below a half. `match` holds distances: lower is better."""
    distance = distance_strict if rules == "strict" else distance_vlmevalkit
    match = tuple(distance(reference, answer) for reference in references)
    near = 1 - min(match, default=1.0)
    value = near if near >= THRESHOLD else 0.0
    if rules == "strict" and not plain(answer):
        return Matched(tuple(references), None, match, 0.0, "empty answer")
    return Matched(tuple(references), answer, match, value)


def distance_vlmevalkit(reference: str, answer: str) -> float:
    """Between the tidied texts, over the longer raw length (counted in capitals: `ß` makes two)."""
    length = max(len(reference.upper()), len(answer.upper()))
    return float(levenshtein(tidy(reference), tidy(answer))) / length if length else 0.0


def distance_strict(reference: str, answer: str) -> float:
    """Between the tidied texts, over the longer of these."""
    one, other = tidy(plain(reference)), tidy(plain(answer))
    length = max(len(one), len(other))
    return levenshtein(one, other) / length if length else 0.0


def tidy(text: str) -> str:
    """Small letters, single blanks."""
    return " ".join(text.lower().split())


@lru_cache(maxsize=1 << 14)
def levenshtein(one: str, other: str) -> int:
    """Insertions, deletions and replacements between two texts.

    Bit-parallel (Myers 1999, as Hyyrö 2001 gives it): one long integer holds a whole column of the
    table as differences of +1 and -1, so memory is linear and a column costs a dozen operations.
    """
    if len(one) > len(other):
        one, other = other, one
    if not one:
        return len(other)
    where: dict[str, int] = {}
    for place, char in enumerate(one):
        where[char] = where.get(char, 0) | 1 << place
    full = (1 << len(one)) - 1
    last = 1 << (len(one) - 1)
    up, down, distance = full, 0, len(one)
    for char in other:
        equal = where.get(char, 0)
        diagonal = ((((equal & up) + up) ^ up) | equal | down) & full
        right_up = down | (full & ~(diagonal | up))
        right_down = up & diagonal
        if right_up & last:
            distance += 1
        elif right_down & last:
            distance -= 1
        right_up = (right_up << 1) | 1
        right_down <<= 1
        equal |= down
        up = (right_down | ~(equal | right_up)) & full
        down = right_up & equal & full
    return distance
