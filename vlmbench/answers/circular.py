"""Circular evaluation: a question counts only if it is answered right in every rotation of its options.

Rotation k of question i is row `i + k * 1_000_000`. What happens when rows are missing differs:

    strict       needs the base row and as many rows as there are options; otherwise not scored
    vlmevalkit*  a group opens with its base row; missing rotations are forgiven
    xtuner       the same, and groups are by index alone (an explicit `g_index` is ignored)

A request that failed is never right or wrong. Under the compatible sets a wrong row still makes its
group wrong; otherwise a group with a failed row is not scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from vlmbench.domain import RuleSet, Sample, Score

ROTATION = 1_000_000
"""Distance between the indexes of two rotations of one question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScore:
    """What one question is worth over all its rotations."""

    group: str
    base: Sample
    """The unrotated row, whose category and split the group has; the first row if that is missing."""
    value: float | None
    """None = not scored."""
    rows: tuple[str, ...]
    """Ids of the rows that were answered, in order of index."""
    reason: str


def group_key(index: str) -> str:
    """The question a row belongs to, from its index; an index that is no integer is its own group."""
    number = _integer(index)
    return index if number is None else str(number % ROTATION)


def is_base(sample: Sample) -> bool:
    """Whether this is the unrotated row of its group."""
    number, group = _integer(sample.id), _integer(sample.group)
    return sample.id == sample.group if number is None or group is None else number == group


def score_groups(samples: Sequence[Sample], scores: Sequence[Score], rules: RuleSet) -> list[GroupScore]:
    """One score a question. A sample without a score was not asked, and counts as a missing row."""
    by_id = {score.id: score for score in scores}
    groups: dict[str, list[Sample]] = {}
    for sample in _in_order(samples):
        key = group_key(sample.id) if rules == "xtuner" else sample.group
        groups.setdefault(key, []).append(sample)
    if rules == "strict":
        return [_strict(key, rows, by_id) for key, rows in groups.items()]
    opened = (_forgiving(key, rows, by_id) for key, rows in groups.items())
    return [group for group in opened if group is not None]


def _integer(text: str) -> int | None:
    return int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20 else None


def _in_order(samples: Sequence[Sample]) -> Iterable[Sample]:
    """By index when every index is an integer, else as in the file."""
    keyed = [(_integer(s.id), s) for s in samples]
    if any(number is None for number, _ in keyed):
        return samples
    return [s for _, s in sorted(keyed, key=lambda pair: pair[0] or 0)]


def _strict(key: str, rows: Sequence[Sample], scores: Mapping[str, Score]) -> GroupScore:
    base = next((s for s in rows if is_base(s)), None)
    present = [s for s in rows if s.id in scores]
    missing = _missing(key, base, rows, present)
    failed = next((s for s in present if scores[s.id].value is None), None)
    wrong = [s for s in present if scores[s.id].value != 1]
    value: float | None
    if missing is not None:
        value, reason = None, missing
    elif failed is not None:
        value, reason = None, f"row {failed.id} not scored: {scores[failed.id].reason}"
    elif wrong:
        value, reason = 0.0, _blame(wrong, scores)
    else:
        value, reason = 1.0, f"all {len(present)} rows right"
    return GroupScore(
        group=key, base=base or rows[0], value=value, rows=tuple(s.id for s in present), reason=reason
    )


def _missing(key: str, base: Sample | None, rows: Sequence[Sample], present: Sequence[Sample]) -> str | None:
    """What keeps a group from being whole, if anything."""
    if base is None or base not in present:
        return f"base row {key} is missing"
    unanswered = next((s.id for s in rows if s not in present), None)
    if unanswered is not None:
        return f"row {unanswered} is missing"
    expected = len(base.choices)
    return f"{len(present)} of {expected} rotations are there" if len(present) < expected else None


def _forgiving(key: str, rows: Sequence[Sample], scores: Mapping[str, Score]) -> GroupScore | None:
    """Whatever rotations are present decide; None when the base row, which opens a group, is not."""
    present = [s for s in rows if s.id in scores]
    base = next((s for s in present if _same(s.id, key)), None)
    if base is None:
        return None
    failed = next((s for s in present if scores[s.id].value is None), None)
    wrong = [s for s in present if scores[s.id].value not in (1, None)]
    value: float | None
    if wrong:
        value, reason = 0.0, _blame(wrong, scores)
    elif failed is not None:
        value, reason = None, f"row {failed.id} not scored: {scores[failed.id].reason}"
    else:
        value, reason = 1.0, f"all {len(present)} rows right"
    return GroupScore(group=key, base=base, value=value, rows=tuple(s.id for s in present), reason=reason)


def _same(index: str, key: str) -> bool:
    number = _integer(index)
    return index == key if number is None else number == _integer(key)


def _blame(wrong: Sequence[Sample], scores: Mapping[str, Score]) -> str:
    """The first row that cost the group its point; an unparsed one says so."""
    score = scores[wrong[0].id]
    if score.extracted is None:
        return f"row {score.id} unparsed: {score.reason}"
    return f"row {score.id} answered {score.extracted}"
