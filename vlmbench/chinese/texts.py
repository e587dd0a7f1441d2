"""A message in the user's language: whole, or sentence by sentence where it was joined of several."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from vlmbench.chinese.language import in_chinese
from vlmbench.errors import UserError

if TYPE_CHECKING:
    from vlmbench.chinese.catalogue import Catalogue

_BETWEEN = re.compile(r"(?<=[.?!…]) |: |; |, | · ")
"""Where texts are joined: sentences, a place before what is wrong there, parts of a list."""
_JOINT = re.compile(r"^[,;] ")
_SENTENCES = re.compile(r"(?<=[.?!…]) ")
_IN_CHINESE = {": ": "：", "; ": "；", ", ": "，", " ": "", " · ": " · "}
_MOST = 12
"""Parts that a joined text may have; time grows with their square."""

Weighed = tuple[int, str]
"""How many literal characters of ours were found, and the text."""


def translated(text: str) -> str:
    """The text in the user's language. What is not in the catalogues stays as it is."""
    return chinese_of(text) if text and in_chinese() else text


def explained(error: UserError) -> str:
    """The paragraph of an error in the user's language; `error.text()`, which is stored, is English."""
    if not in_chinese():
        return error.text()
    what = chinese_of(error.what)
    where = "，".join(map(chinese_of, error.places()))
    message = f"{where}：{what}" if where else what
    if not error.fix:
        return message
    return f"{message}{'' if message.endswith(_ENDS) else ' '}{chinese_of(error.fix)}"


_ENDS = ("。", "？", "！", "；", "：")


@functools.lru_cache(maxsize=1024)
def chinese_of(text: str) -> str:
    """The Chinese of a text of ours."""
    return _best(text)[1]


def _catalogue() -> Catalogue:
    # In English nothing of this is imported.
    from vlmbench.chinese.catalogue import catalogue

    return catalogue()


def _best(text: str) -> Weighed:
    """The reading of the text in which most is ours."""
    core = _JOINT.sub("", text).strip()
    if not core:
        return 0, text
    if (chinese := _catalogue().whole.get(text)) is not None:
        return len(text), chinese
    before, _, after = text.partition(core)
    weight, chinese = _of_core(core)
    joint = _IN_CHINESE.get(before, before) if weight else before
    return weight, f"{joint}{chinese}{after}"


def _of_core(core: str) -> Weighed:
    whole = _whole(core)
    if whole is not None and not whole[2]:
        return whole[:2]
    joined = _lines(core) if "\n" in core else _parts(core)
    return whole[:2] if whole is not None and whole[0] >= joined[0] else joined


def _whole(core: str, *, is_part: bool = False) -> tuple[int, str, bool] | None:
    """The text as one template; the last says whether a gap may have swallowed a neighbour."""
    found = _catalogue().find(core)
    if found is None or (is_part and not found.template.signs):
        return None
    weight = found.template.weight

    def own(gap: str) -> str:
        nonlocal weight
        more, chinese = _best(gap)
        weight += more
        return chinese

    chinese = found.filled(own)
    return weight, chinese, any(_BETWEEN.search(gap) or "\n" in gap for gap in found.gaps)


def _lines(core: str) -> Weighed:
    lines = [_best(line) for line in core.split("\n")]
    return sum(weight for weight, _ in lines), "\n".join(line for _, line in lines)


def _parts(core: str) -> Weighed:
    """The best way to cut a text, where texts may be joined, into texts of ours and others."""
    cuts = next((c for c in (list(p.finditer(core)) for p in (_BETWEEN, _SENTENCES)) if len(c) < _MOST), [])
    if not cuts:
        return 0, core
    starts, ends = [0, *(c.end() for c in cuts)], [*(c.start() for c in cuts), len(core)]
    best: list[Weighed] = [(0, "")]
    for first in reversed(range(len(starts))):
        ways = _ways(core, first, starts, ends, best)
        best.insert(0, max(ways, key=lambda way: way[0]))
    return best[0]


def _ways(
    core: str, first: int, starts: list[int], ends: list[int], best: list[Weighed]
) -> Iterator[Weighed]:
    """Each beginning of the rest as one text, before the best reading of what follows."""
    for last in range(first, len(ends)):
        part = core[starts[first] : ends[last]]
        found = _whole(part, is_part=True) if " " in part and (first, last) != (0, len(ends) - 1) else None
        if found is None and last > first:
            continue
        weight, chinese = (0, part) if found is None else found[:2]
        more, rest = best[last - first]
        if last + 1 < len(starts):
            between = core[ends[last] : starts[last + 1]]
            ours = weight or more if between in ("; ", ", ", " · ") else weight
            chinese += _IN_CHINESE[between] if ours else between
        yield weight + more, chinese + rest
