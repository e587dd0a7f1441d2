"""When the next request may start: so many a minute, not while the server wants quiet, within its limits.

A server that states what remains of a limit, and when it is whole again, is asked for no more than that: a
request is held while little more remains than what requests take on average. Where the moment moves on, the
limit fills up all the time; its second half is spread over the time until then, which meets the rate at which
it fills where half of it is left.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass

from vlmbench.models.servers.rate_headers import StatedLimit, stated_limits

_SHORT = 90.0
"""Seconds until a limit is whole again, up to which it is spread; a day's is used up first."""
_SPARE, _DOUBT = 2.0, 0.1
"""What must be left for a request, in averages: some take more; and for each whose reply is not there yet."""
_LATE = 0.1
"""Seconds after the stated moment, which is rounded."""
_MOVED = 1.5
"""Seconds by which that moment has moved on, and was not rounded."""
_LONGEST = 900.0
"""Nobody is kept for longer without a word: the server says then in its own words what is used up."""
_AGAIN = 0.05
"""Seconds after which a waiting request looks whether a reply has changed the wait."""


class Pace:
    """Spaces requests to one server, in one event loop."""

    def __init__(self, requests_per_minute: float | None = None) -> None:
        self._gap = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._quiet = self._spread = 0.0
        self._limits: dict[str, _Limit] = {}
        self._door = asyncio.Lock()
        self._last = 0.0
        self.number = 0
        """That of the request whose turn came last."""
        self.held = 0.0
        """Seconds for which a stated limit has kept requests waiting."""

    async def turn(self, end: float = float("inf")) -> bool:
        """Wait until it is this request's turn; False at once where that would be after `end`."""
        loop = asyncio.get_running_loop()
        while True:
            start = max(self._next, loop.time(), self._quiet_for_one(loop.time()))
            if start > end:
                return False
            if self._gap:
                self._next = start + self._gap
            await asyncio.sleep(max(start - loop.time(), 0.0))
            # Somebody may have been asked for quiet while this one slept.
            if start < self._quiet:
                continue
            if self._limits and not await self._within_limits(end):
                return False
            self.number += 1
            self._last = loop.time()
            return True

    def _quiet_for_one(self, now: float) -> float:
        """When the quiet ends for one request: not for all at the same instant."""
        spread: float = random.uniform(0.0, self._spread)  # noqa: S311 - spreads load, keeps no secret
        return self._quiet + spread if self._quiet > now else 0.0

    def hold(self, seconds: float, spread: float = 0.0) -> None:
        """No request starts before that many seconds have passed; then they come spread over some more."""
        self._quiet = max(self._quiet, asyncio.get_running_loop().time() + seconds)
        self._spread = spread

    def learn(self, headers: Mapping[str, str], number: int, begun: float) -> None:
        """What the reply to the request of that number, sent at `begun`, states about limits."""
        now = asyncio.get_running_loop().time()
        for what, stated in stated_limits(headers).items():
            self._limits.setdefault(what, _Limit()).learn(stated, number, begun, now)

    async def _within_limits(self, end: float) -> bool:
        """One request after the other waits for its share; the others stand in line."""
        loop = asyncio.get_running_loop()
        async with self._door:
            while wait := max(self._wait(loop.time()), self._quiet - loop.time(), 0.0):
                if loop.time() + wait > end:
                    return False
                now = loop.time()
                await asyncio.sleep(min(max(wait, 0.001), _AGAIN))
                self.held += loop.time() - now
            return True

    def _wait(self, now: float) -> float:
        return max(limit.wait(self.number, self._last, now) for limit in self._limits.values())


@dataclass(slots=True)
class _Limit:
    """One limit of a server, as known from its latest reply."""

    limit: float = 0.0
    remaining: float = 0.0
    """When request `number` had been counted."""
    number: int = -1
    whole: float = 0.0
    """The moment at which all of it is there again."""
    span: float = 1.0
    """The longest that a reply ever stated until then."""
    cost: float = 0.0
    """What a request takes of it, on average."""
    fills: bool = False
    """It fills up all the time; else it is whole again at one moment."""
    stated: bool = False
    """What remains is what a reply stated, and not what should be there by now."""
    renewed: int = 0
    """The number at the last moment of that kind."""

    def learn(self, stated: StatedLimit, number: int, begun: float, now: float) -> None:
        """Replies to earlier requests than the latest one known are old news.

        A server may have written its headers when the request came, or when the answer was ready.
        """
        if number <= self.number:
            return
        if self.stated and stated.remaining < self.remaining:
            since = number - self.number
            took = (self.remaining - stated.remaining) / since
            self.cost += (took - self.cost) * (min(0.1 * since, 0.5) if self.cost else 1.0)
        whole, same = now + stated.seconds, now < self.whole
        self.fills |= same and begun + stated.seconds > self.whole + _MOVED
        self.whole = min(whole, self.whole) if same and not self.fills else whole
        self.limit, self.remaining, self.number = stated.limit, stated.remaining, number
        self.span, self.stated = max(self.span, stated.seconds), True

    def wait(self, number: int, last: float, now: float) -> float:
        """Seconds until the next request may start, `number` having started so far, the latest at `last`."""
        if now >= self.whole + _LATE:
            # Without any reply since: what was sent before the moment before that has long been counted.
            self.remaining, self.whole, self.stated = self.limit, now + self.span, False
            self.number, self.renewed = max(self.number, self.renewed), number
        left, unseen = self.whole + _LATE - now, number - self.number
        there = self.remaining - self.cost * unseen
        enough = min((_SPARE + unseen * _DOUBT) * self.cost, self.limit)
        if there < enough:
            wait = left
            if self.fills or left > _SHORT:
                wait = (enough - there) * left / max(self.limit - self.remaining, self.cost)
            return wait if wait <= _LONGEST else 0.0
        if self.fills and left <= _SHORT and there < self.limit / 2:
            return last + self.cost * left / there - now
        return 0.0
