"""Requests kept within the limits that a server states, in an event loop whose time passes at once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, TypeVar

import pytest

from vlmbench.models.servers.pace import Pace
from vlmbench.models.servers.rate_headers import StatedLimit, asked_wait, stated_limits

Result = TypeVar("Result")


class Timeless(asyncio.SelectorEventLoop):
    """Goes to the next moment at which something happens, without waiting for it."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def at_once(work: Coroutine[Any, Any, Result]) -> Result:
    with asyncio.Runner(loop_factory=Timeless) as runner:
        return runner.run(work)


@dataclass
class LimitedServer:
    """So many tokens a minute, in windows or in a bucket that fills up all the time."""

    bucket: bool
    limit: float = 150_000.0
    minute: float = 60.0
    at_the_end: bool = False
    """Its headers state what remains when the answer is ready, else when the request came."""
    remaining: float = 150_000.0
    since: float = 0.0
    refused: int = 0
    chance: random.Random = field(default_factory=lambda: random.Random(3))

    def _renew(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.bucket:
            self.remaining = min(self.limit, self.remaining + (now - self.since) * self.limit / self.minute)
            self.since = now
        elif now - self.since >= self.minute:
            self.remaining, self.since = self.limit, now - (now - self.since) % self.minute

    def headers(self) -> dict[str, str]:
        self._renew()
        seconds = (self.limit - self.remaining) / self.limit * self.minute
        if not self.bucket:
            seconds = self.since + self.minute - asyncio.get_running_loop().time()
        return {
            "x-ratelimit-limit-tokens": f"{self.limit:.0f}",
            "x-ratelimit-remaining-tokens": f"{self.remaining:.0f}",
            "x-ratelimit-reset-tokens": f"{int(seconds // 60)}m{seconds % 60:.3f}s",
        }

    async def ask(self) -> tuple[bool, dict[str, str]]:
        tokens, seconds = self.chance.uniform(300, 1700), self.chance.uniform(1, 4)
        self._renew()
        if tokens > self.remaining:
            self.refused += 1
            return False, self.headers()
        self.remaining -= tokens
        headers = self.headers()
        await asyncio.sleep(seconds)
        return True, self.headers() if self.at_the_end else headers


async def seconds_for(server: LimitedServer, questions: int, at_a_time: int = 64) -> float:
    """How long so many answers take."""
    pace, room, loop = Pace(), asyncio.Semaphore(at_a_time), asyncio.get_running_loop()

    async def one() -> None:
        async with room:
            answered = False
            while not answered:
                await pace.turn()
                number, begun = pace.number, loop.time()
                answered, headers = await server.ask()
                pace.learn(headers, number, begun)
                if not answered:
                    pace.hold(1.0, 1.0)

    await asyncio.gather(*(one() for _ in range(questions)))
    return loop.time()


@pytest.mark.parametrize("at_the_end", [False, True])
@pytest.mark.parametrize("bucket", [False, True])
def test_a_limit_of_tokens_is_used_up_and_not_hit(bucket: bool, at_the_end: bool) -> None:
    server = LimitedServer(bucket=bucket, at_the_end=at_the_end)
    took = at_once(seconds_for(server, 730))
    # 730 requests of 1,000 tokens; the first 150,000 are there at once, and a window has to be waited for.
    least = (730_000 - server.limit) / server.limit * server.minute
    assert took < least * 1.15
    assert server.refused <= 7


def test_a_limit_of_a_day_is_no_reason_to_wait_while_something_is_left() -> None:
    server = LimitedServer(bucket=True, limit=1e6, remaining=1e6, minute=86_400.0)
    assert at_once(seconds_for(server, 900)) < 60


def test_a_limit_that_is_whole_again_in_hours_is_for_the_server_to_explain() -> None:
    async def used_up() -> tuple[bool, float]:
        pace, loop = Pace(), asyncio.get_running_loop()
        for left in ("2", "1", "0"):
            await pace.turn()
            headers = {"x-ratelimit-remaining-requests": left, "x-ratelimit-reset-requests": "20h0m0s"}
            pace.learn(headers, pace.number, loop.time())
        return await pace.turn(), loop.time()

    assert at_once(used_up()) == (True, 0.0)


def test_replies_without_limits_again_do_not_hold_a_server_for_ever() -> None:
    """The headers are those of a gateway, and the server behind it answers alone from now on."""

    async def turns() -> float:
        pace, loop = Pace(), asyncio.get_running_loop()
        for left in ("300", "100"):
            await pace.turn()
            headers = {
                "x-ratelimit-limit-tokens": "1000",
                "x-ratelimit-remaining-tokens": left,
                "x-ratelimit-reset-tokens": "10s",
            }
            pace.learn(headers, pace.number, loop.time())
        for _ in range(20):
            await pace.turn()
        return loop.time()

    assert 10 < at_once(turns()) < 200


HOUR = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("headers", "stated"),
    [
        (
            {
                "x-ratelimit-limit-tokens": "150000",
                "x-ratelimit-remaining-tokens": "149984",
                "x-ratelimit-reset-tokens": "6m0.5s",
                "x-ratelimit-remaining-requests": "59",
                "x-ratelimit-reset-requests": "12ms",
            },
            {"tokens": StatedLimit(150_000, 149_984, 360.5), "requests": StatedLimit(59, 59, 0.012)},
        ),
        (
            {
                "anthropic-ratelimit-input-tokens-limit": "40000",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": (HOUR + timedelta(seconds=30)).isoformat(),
                "date": format_datetime(HOUR, usegmt=True),
            },
            {"input-tokens": StatedLimit(40_000, 0, 30.0)},
        ),
        ({"x-ratelimit-remaining-tokens": "5"}, {}),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "soon"}, {}),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "0s"}, {}),
        ({"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-reset-tokens": "1s"}, {}),
        ({"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "1764500000"}, {}),
    ],
)
def test_limits_are_read_from_the_headers_of_every_interface(
    headers: dict[str, str], stated: dict[str, StatedLimit]
) -> None:
    assert stated_limits(headers) == stated


def test_a_refusal_asks_to_wait_in_a_header_or_in_its_body() -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}
    body = {"error": {"code": 429, "details": [{"@type": "type.googleapis.com/google.rpc.Help"}, info]}}
    assert asked_wait({"retry-after-ms": "250", "retry-after": "1"}, body) == 0.25
    assert asked_wait({"retry-after": "7"}, body) == 7
    assert asked_wait({}, body) == 35
    assert [asked_wait({}, other) for other in (None, {}, {"error": {"details": "none"}})] == [None] * 3
