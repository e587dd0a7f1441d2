"""The queue of a run with several workers: groups go out in chunks, and come back when a worker dies.

A chunk is what one worker is asked at a time. Chunks start large, so that batching inside the worker pays,
and shrink towards the end, so that no worker waits long for the last one.

What replicas count of their chunks is added up to what one model would count of the whole.

A group that dies with its worker three times becomes an error. Who of a chunk is to blame is not known, so
its groups go out again in smaller chunks (about the square root) and then one by one: a group
that dies a third time died alone, and the others are answered.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vlmbench.domain import Request, Response

DEATHS = 3
LEAST = 8
"""Rows of the smallest chunk: a few groups, so that they can share a batch."""
MOST = 512
_SMALLEST = ("token_budget",)
"""Of these the smallest counts; everything else is a count of something."""


@dataclass(slots=True, eq=False)
class Group:
    """Requests that belong together, those not yet answered."""

    open: dict[str, Request]
    deaths: int = 0
    beside: int = 1
    """How many groups were in the chunk that last died, this one included."""
    died_at: int | None = None
    """The slot of the worker that died last."""


@dataclass(slots=True, eq=False)
class Chunk:
    """Groups that one worker is asked together."""

    groups: tuple[Group, ...]
    rows: int = field(init=False)

    def __post_init__(self) -> None:
        self.rows = self.left

    @property
    def left(self) -> int:
        """Rows without an answer."""
        return sum(len(group.open) for group in self.groups)

    def lacks(self, request_id: str) -> bool:
        """Whether that row belongs here and has no answer."""
        return any(request_id in group.open for group in self.groups)

    @property
    def requests(self) -> list[Request]:
        """What is to be asked."""
        return [request for group in self.groups for request in group.open.values()]


class GroupQueue:
    """Everything to be asked. Knows nothing of processes."""

    def __init__(self, requests: Iterable[Request]) -> None:
        groups: dict[str, Group] = {}
        self._group_of: dict[str, Group] = {}
        for request in requests:
            group = groups.setdefault(request.group, Group({}))
            group.open[request.id] = request
            self._group_of[request.id] = group
        self._fresh = deque(groups.values())
        self._back: deque[Group] = deque()
        self._suspects: deque[Group] = deque()
        self._rows = len(self._group_of)
        self.open = self._rows
        """Rows without an answer, wherever they are."""
        self.condemned = 0
        """Groups given up."""

    def take(self, slot: int, workers: int) -> Chunk | None:
        """What the worker at this slot should do next; None when there is nothing for it now."""
        if self._fresh or self._back:
            return self._guided(max(workers, 1))
        return self._suspicious(slot, alone=workers <= 1)

    def answered(self, request_id: str) -> bool:
        """Cross a row off; False when it was not open."""
        group = self._group_of.get(request_id)
        if group is None or group.open.pop(request_id, None) is None:
            return False
        self.open -= 1
        return True

    def give_back(self, chunk: Chunk) -> None:
        """No worker began with this chunk: its groups go out again, and no death is counted."""
        self._back.extend(group for group in chunk.groups if group.open)
        self._rows += chunk.left

    def died(self, chunk: Chunk, slot: int, reason: str) -> list[Response]:
        """A worker died over this chunk; errors for the groups that are given up."""
        hurt = [group for group in chunk.groups if group.open]
        given_up: list[Response] = []
        for group in hurt:
            group.deaths, group.beside, group.died_at = group.deaths + 1, len(hurt), slot
            if group.deaths < DEATHS:
                self._suspects.append(group)
            else:
                given_up += self._condemn(group, reason)
        return given_up

    def _condemn(self, group: Group, reason: str) -> list[Response]:
        error = f"given up after {DEATHS} workers failed on this group; the last: {reason}"
        ids = list(group.open)
        self.condemned += 1
        for request_id in ids:
            self.answered(request_id)
        return [Response(id=i, text="", finish="error", error=error) for i in ids]

    def _guided(self, workers: int) -> Chunk:
        """A share of what is left."""
        wanted = min(max(self._rows // (2 * workers), LEAST), MOST)
        groups: list[Group] = []
        rows = 0
        while rows < wanted and (self._back or self._fresh):
            group = (self._back or self._fresh).popleft()
            groups.append(group)
            rows += len(group.open)
        self._rows -= rows
        return Chunk(tuple(groups))

    def _suspicious(self, slot: int, *, alone: bool) -> Chunk | None:
        """Groups a worker died over, with few others, and if it can be not where it died before."""
        mine = [group for group in self._suspects if alone or group.died_at != slot]
        if not mine:
            return None
        size = 1 if mine[0].deaths == DEATHS - 1 else math.ceil(math.sqrt(mine[0].beside))
        chosen = _alike(mine, size)
        for group in chosen:
            self._suspects.remove(group)
        return Chunk(tuple(chosen))


def _alike(groups: Sequence[Group], size: int) -> list[Group]:
    return [group for group in groups if group.deaths == groups[0].deaths][:size]


def added(tallies: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Counts added up, name by name; a value that is not a number is that of the first replica."""
    total: dict[str, Any] = {}
    for tally in tallies:
        for name, value in tally.items():
            total[name] = _both(name, total[name], value) if name in total else value
    return total


def _both(name: str, one: Any, other: Any) -> Any:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return added((one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        return min(one, other) if name in _SMALLEST else one + other
    return one
