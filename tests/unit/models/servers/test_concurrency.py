"""The number of requests at a time, found out against servers that are simulated in their own time."""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from vlmbench.models.servers.concurrency import MOST, START, Concurrency


@dataclass(frozen=True)
class Server:
    """Shares its speed among all that it has in hand; refuses the next one where it has no room."""

    speed: Callable[[int], float]
    """From how many it has in hand to answers a second."""
    room: float = math.inf


def with_slots(slots: int) -> Server:
    return Server(float, room=slots)


def with_a_queue(slots: int) -> Server:
    return Server(lambda in_hand: min(in_hand, slots))


def slower_with_each(slope: float) -> Server:
    return Server(lambda in_hand: in_hand / (1 + slope * in_hand))


def thrashing(slots: int) -> Server:
    return Server(lambda in_hand: in_hand if in_hand <= slots else slots * slots / in_hand)


@dataclass
class Simulation:
    """Questions asked of a server; moments are events, so no time passes."""

    server: Server
    fixed: int | None = None
    asked_wait: float | None = None
    now: float = 0.0
    refused: int = 0

    def __post_init__(self) -> None:
        self.chance = random.Random(7)
        self.law = Concurrency(self.fixed, clock=lambda: self.now)
        self.work: list[float] = []
        """Of each answer being written: how much all will have got when it is ready."""
        self.got = self.quiet = 0.0
        self.waiting: list[float] = []
        """When those that were refused come back."""

    def send(self) -> None:
        attempt = self.law.begin()
        if len(self.work) < self.server.room:
            heapq.heappush(self.work, self.got + self.chance.uniform(0.5, 1.5))
            return
        self.law.end(answered=False)
        self.law.crowded(attempt, asked_wait=self.asked_wait)
        self.refused += 1
        self.quiet = max(self.quiet, self.now + (self.asked_wait or 0.0))
        heapq.heappush(self.waiting, self.now + (self.asked_wait or self.chance.uniform(0.5, 1.0)))

    def step(self) -> bool:
        """On to the next moment; whether it is that of an answer."""
        each = self.server.speed(len(self.work)) / len(self.work) if self.work else 1.0
        ready = self.now + (self.work[0] - self.got) / each if self.work else math.inf
        back = max(self.waiting[0], self.quiet) if self.waiting else math.inf
        moment = min(ready, back)
        self.got += (moment - self.now) * each
        self.now = moment
        if back < ready:
            heapq.heappop(self.waiting)
            self.send()
            return False
        heapq.heappop(self.work)
        self.law.end(answered=True)
        return True

    def rate(self, questions: int, skip: float = 0.0) -> float:
        """Answers a second, without the first `skip` of them."""
        done, since, first = 0, 0.0, int(questions * skip)
        while done < questions:
            free = min(self.law.limit, questions - done) - len(self.work) - len(self.waiting)
            if free > 0 and self.now >= self.quiet:
                self.send()
            elif self.step():
                done += 1
                since = self.now if done == first else since
        return (questions - first) / (self.now - since)


def best_of(server: Server) -> float:
    """More than it has room for is never better."""
    numbers = {1, 3, 5, 24, 48, 128, MOST}
    return max(Simulation(server, fixed=int(min(n, server.room))).rate(1500) for n in numbers)


SERVERS = {
    "3 slots": with_slots(3),
    "40 slots": with_slots(40),
    "200 slots": with_slots(200),
    "a queue before 5": with_a_queue(5),
    "a queue before 48": with_a_queue(48),
    "slower with each": slower_with_each(0.1),
    "slower with each, slightly": slower_with_each(0.01),
    "thrashing beyond 24": thrashing(24),
    "room for all": with_slots(MOST),
}


@pytest.mark.parametrize("server", SERVERS.values(), ids=list(SERVERS))
def test_the_rate_is_near_that_of_the_best_fixed_number(server: Server) -> None:
    assert Simulation(server).rate(6000, skip=0.2) >= 0.9 * best_of(server)


@pytest.mark.parametrize("wait", [1.0, 5.0])
def test_a_server_that_asks_for_quiet_is_seldom_asked_for_too_much(wait: float) -> None:
    found = Simulation(with_slots(20), asked_wait=wait)
    assert found.rate(6000, skip=0.2) >= 0.85 * 20
    assert found.refused < 60


def test_a_number_that_the_user_fixed_stays() -> None:
    found = Simulation(with_slots(9), fixed=5)
    found.rate(50)
    assert (found.law.limit, found.law.settled, found.law.highest) == (5, 5, 5)


def test_it_begins_with_few_and_never_has_more_than_it_may() -> None:
    assert Concurrency().limit == START
    assert Concurrency(most=3).limit == 3
    found = Simulation(with_slots(MOST * 2))
    found.rate(4000)
    assert found.law.highest == found.law.settled == MOST


def test_a_few_questions_are_no_reason_for_more_at_a_time() -> None:
    """Something else sets the pace where the limit is not reached."""
    law = Concurrency()
    for _ in range(500):
        law.begin()
        law.end(answered=True)
    assert law.limit == START


def test_all_at_once_too_late_halve_it_and_a_single_one_hardly_changes_it() -> None:
    now = [0.0]
    law = Concurrency(clock=lambda: now[0])
    begun = [law.begin() for _ in range(8)]
    now[0] = 300.0
    law.end(answered=False)
    law.crowded(begun[0], late=True)
    assert law.limit == 7
    for one in begun[1:]:
        law.end(answered=False)
        law.crowded(one, late=True)
    assert law.limit == 4
    assert law.refused == 8
