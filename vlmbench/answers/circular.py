"""Circular evaluation: a question counts only if it is answered right in every rotation of its options.

Rotation k of question i is row `i + k * 1_000_000`. A question has the rotations that its file holds: fewer
than options where the last one must stay in its place (`None of these`). What happens when answers to some of
them are missing differs:

    strict       needs an answer to each; otherwise not scored
    vlmevalkit*  a group opens with its base row; missing rotations are forgiven
    xtuner       the same, and groups are by index alone (an explicit `g_index` is ignored)

A request that failed is never right or wrong. Under the compatible sets a wrong row still makes its
group wrong; otherwise a group with a failed row is not scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vlmbench.domain import Row, RuleSet, Sample, Score

ROTATION = 1_000_000
"""Distance between the indexes of two rotations of one question."""

_Row = tuple[Sample, Score | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """What one question is worth over all its rotations."""

    group: str
    base: Sample
    """The unrotated row, whose category and split the group has; the first row if the file lacks it."""
    value: float | None
    """None = not scored."""
    rows: tuple[str, ...]
    """Ids of the rows that were answered, in order of index."""
    reason: str


def group_key(index: str) -> str:
    """The question a row belongs to, from its index; an index that is no integer is its own group."""
    number = _integer(index)
    return index if number is None else str(number % ROTATION)


def key_of(sample: Sample, rules: RuleSet) -> str:
    """The question that a row belongs to under a rule set."""
    return group_key(sample.id) if rules == "xtuner" else sample.group


def is_base(sample: Sample) -> bool:
    """Whether this is the unrotated row of its group."""
    return _same(sample.id, sample.group)


def are_rotations(rows: Iterable[Row]) -> bool:
    """Whether the numbers are those of rotations, which have the same question and the same options."""
    shown: dict[str, tuple[str, list[str]]] = {}
    several = False
    for row in rows:
        if _integer(row.index) is None:
            return False
        asked = row.cells.get("question", "").strip(), sorted(text.strip() for text in row.choices.values())
        key = group_key(row.index)
        several = several or key in shown
        if shown.setdefault(key, asked) != asked:
            return False
    return several


def score_groups(samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[GroupScore]:
    """One score a question. A sample without a score was not asked, and counts as a missing row."""
    by_id = {score.id: score for score in scores}
    groups: dict[str, list[_Row]] = {}
    for sample in _in_order(samples):
        groups.setdefault(key_of(sample, rules), []).append((sample, by_id.get(sample.id)))
    judge = _strict if rules in ("strict", "original") else _forgiving
    judged = (judge(key, rows) for key, rows in groups.items())
    return [group for group in judged if group is not None]


def unscored_groups(samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> dict[str, str]:
    """The questions that have no value, and why: by group, in order of index."""
    groups = {group.group: group for group in score_groups(samples, scores, rules)}
    why = {}
    for key in dict.fromkeys(key_of(sample, rules) for sample in _in_order(samples)):
        group = groups.get(key)
        if group is None:
            why[key] = f"base row {key} is missing"
        elif group.value is None:
            why[key] = group.reason
    return why


def _strict(key: str, rows: Sequence[_Row]) -> GroupScore:
    """Every row of the file must be answered and right."""
    base = next((sample for sample, _ in rows if is_base(sample)), rows[0][0])
    unanswered = next((sample.id for sample, score in rows if score is None), None)
    present = [score for _, score in rows if score is not None]
    if unanswered is not None:
        value, reason = None, f"row {unanswered} is missing"
    else:
        value, reason = _unscored(present) or _wrong(present) or (1.0, f"all {len(rows)} rows right")
    return _group(key, base, value, present, reason)


def _forgiving(key: str, rows: Sequence[_Row]) -> GroupScore | None:
    """Whatever rotations are present decide; None when the base row, which opens a group, is not."""
    present = [score for _, score in rows if score is not None]
    base = next((sample for sample, score in rows if score is not None and _same(sample.id, key)), None)
    if base is None:
        return None
    value, reason = _wrong(present) or _unscored(present) or (1.0, f"all {len(present)} rows right")
    return _group(key, base, value, present, reason)


def _group(key: str, base: Sample, value: float | None, present: Sequence[Score], reason: str) -> GroupScore:
    rows = tuple(score.id for score in present)
    return GroupScore(group=key, base=base, value=value, rows=rows, reason=reason)


def _wrong(present: Sequence[Score]) -> tuple[float, str] | None:
    """The first row that costs the group its point; for an unparsed one, why."""
    score = next((s for s in present if s.value is not None and s.value != 1), None)
    if score is None:
        return None
    wrong = f"unparsed: {score.reason}" if score.extracted is None else f"answered {score.extracted}"
    return 0.0, f"row {score.id} {wrong}"


def _unscored(present: Sequence[Score]) -> tuple[None, str] | None:
    """The first row that was asked but could not be scored."""
    score = next((s for s in present if s.value is None), None)
    return None if score is None else (None, f"row {score.id} not scored: {score.reason}")


def _in_order(samples: Sequence[Sample]) -> Sequence[Sample]:
    """By index when every index is an integer, else as in the file."""
    numbers = {sample.id: _integer(sample.id) for sample in samples}
    return samples if None in numbers.values() else sorted(samples, key=lambda s: numbers[s.id] or 0)


def _integer(text: str) -> int | None:
    """An index as a number; leading zeros and signs are as pandas reads them."""
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20 else None


def _same(index: str, key: str) -> bool:
    number = _integer(index)
    return index == key if number is None else number == _integer(key)
