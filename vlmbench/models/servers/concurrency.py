"""How many requests a server gets at a time: fixed, or found out while it answers.

    refused, overloaded, too late       back to what there was room for, at most by half; then a few more
    all goes well                       twice as many, as long as that raises the rate
    twice as many, no higher rate       back to half; then three quarters are tried, later again twice as many

The rate is that of answers, over as many of them as there are requests at a time: where more wait in a queue,
latency grows and the rate does not. The clock is a parameter, so that a test needs no time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

START, MOST = 8, 256
_WORTH = 0.06
"""More requests are worth it from this share of what they would bring if the server had room for all."""
_CHANCE = 0.05
"""Fewer are if the rate rises by this: less is chance, and the next attempt would be at fewer still."""
_LONGEST_REST = 32
"""Windows between two attempts at more."""
_PER_WAIT = 20
"""After the server asked for quiet, nothing is tried for so many times as long: that costs every request."""
_FEW, _MANY = 8, 64
"""Answers that make a rate: at the beginning, and later."""


class Attempt(NamedTuple):
    """One request on its way."""

    begun: float
    beside: int
    """How many others were under way when it began."""


class Concurrency:
    """The number of requests at a time, changed by what becomes of them. One server, many event loops."""

    def __init__(
        self, fixed: int | None = None, most: int = MOST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fixed, self._clock = fixed is not None, clock
        self.most = max(1, fixed if fixed is not None else most)
        self.limit = self.start = self.most if self._fixed else min(START, self.most)
        self.under_way = self.highest = 0
        """Attempts that wait for the server now, and the most that ever did."""
        self.refused = 0
        """Attempts that the server had no room for, or no time."""
        self._since = self._cut = self._quiet = clock()
        self._answers = self._reached = 0
        self._floor = 1
        self._before: tuple[int, float] | None = None
        """Limit and rate before the attempt at more that is being made."""
        self._ramp = True
        self._step, self._rest, self._rests = START, 0, 1
        self._fewer = False
        """The next attempt is at fewer: there may be no room for what was found to be worth it."""

    def count_anew(self) -> None:
        """What `highest` and `refused` count begins now."""
        self.highest, self.refused = self.under_way, 0

    @property
    def settled(self) -> int:
        """What it would go on with, without the attempt at more that it is making."""
        return self.limit if self._before is None else self._before[0]

    def begin(self) -> Attempt:
        """An attempt starts; what `crowded` wants back."""
        self.under_way += 1
        self.highest = max(self.highest, self.under_way)
        self._reached = max(self._reached, self.under_way)
        return Attempt(self._clock(), self.under_way - 1)

    def end(self, *, answered: bool) -> None:
        """An attempt is over. Only answers count: errors may come sooner or later."""
        self.under_way -= 1
        if self._fixed or not answered:
            return
        self._answers += 1
        now, skip, needed = self._clock(), 0, max(_FEW, self.limit)
        if not self._ramp:  # no hurry any more: without those that began before, and fewer by chance
            skip, needed = self.limit, max(_MANY, 2 * self.limit)
        if self._answers == skip:
            self._since = now
        # Below the limit something else sets the pace: the client, a rate limit, the last few questions.
        elif self._answers >= skip + needed and self._reached >= self.limit:
            self._weigh((self._answers - skip) / max(now - self._since, 1e-9))

    def crowded(self, attempt: Attempt, *, late: bool = False, asked_wait: float | None = None) -> None:
        """An attempt, ended already, was one too many beside those that were under way before it.

        `late`: there was room and no time; the server has time for those that are still under way.
        """
        self.refused += 1
        if self._fixed:
            return
        now = self._clock()
        if attempt.begun >= self._cut:  # those sent before the last cut tell nothing new
            self._floor, self._cut = max(1, self.settled // 2), now
            self._pause()
        self._quiet = max(self._quiet, now + _PER_WAIT * (asked_wait or 0.0))
        self._step, self._before, self._fewer = 1, None, False
        room = self.under_way if late else attempt.beside
        self._set(max(self._floor, min(self.limit, room)))

    def _weigh(self, rate: float) -> None:
        """A window is over: was the attempt worth it, and is it time for another?"""
        if self._before is not None:
            limit, rate_before = self._before
            self._before = None
            if not _worth(self.limit / limit, rate / rate_before):
                self._step, self._fewer = limit, not self._fewer
                self._set(limit)
                self._pause()
                return
            self._step, self._rests = self._step * 2, 1
        self._rest -= 1
        tried = self.limit * 3 // 4 if self._fewer else min(self.limit + self._step, self.most)
        if self._rest >= 0 or self._clock() < self._quiet or tried in (0, self.limit):
            self._set(self.limit)
        else:
            self._before = (self.limit, rate)
            self._set(tried)

    def _pause(self) -> None:
        self._ramp = False
        self._rest, self._rests = self._rests, min(self._rests * 2, _LONGEST_REST)

    def _set(self, limit: int) -> None:
        """A limit, and a new window."""
        self.limit, self._since = limit, self._clock()
        self._answers, self._reached = 0, self.under_way


def _worth(more: float, gain: float) -> bool:
    """Whether so many times the requests, and so many times the rate, is better than before."""
    if more < 1:
        return gain > 1 + _CHANCE
    # One or two more cannot be told from chance; a refusal would have come.
    return more < 1.25 or gain >= 1 + _WORTH * (more - 1)
