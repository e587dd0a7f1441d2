"""How long to wait for a server that is busy, and how fast to ask one that is not."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How often and how long one request is tried. The defaults outlast a minute of trouble."""

    attempts: int = 10
    base: float = 1.0
    """Seconds before the second attempt; doubled after each one."""
    longest: float = 30.0
    """No wait of our own is longer."""
    attempt_timeout: float = 300.0
    deadline: float = 900.0
    """Seconds for one request with all its attempts and waits."""

    def wait(self, failures: int, told: float | None = None) -> float:
        """Seconds before the next attempt. What the server asks for is a minimum.

        A random part keeps requests that failed together from coming back together.
        """
        jitter: float = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
        if told is not None:
            return told + self.base * (jitter - 0.5)
        return jitter * min(self.base * 2.0 ** (failures - 1), self.longest)


def retry_after(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, given in seconds or as a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        return _until(header)
    return max(seconds, 0.0) if seconds < float("inf") else None


def _until(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max((moment - datetime.now(UTC)).total_seconds(), 0.0)


class Pace:
    """Spaces requests: at most so many a minute, and none while the server wants quiet."""

    def __init__(self, requests_per_minute: float | None = None) -> None:
        self._gap = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._quiet = self._spread = 0.0

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
            if start >= self._quiet:
                return True

    def _quiet_for_one(self, now: float) -> float:
        """When the quiet ends for one request: not for all at the same instant."""
        spread: float = random.uniform(0.0, self._spread)  # noqa: S311 - spreads load, keeps no secret
        return self._quiet + spread if self._quiet > now else 0.0

    def hold(self, seconds: float, spread: float = 0.0) -> None:
        """No request starts before that many seconds have passed; then they come spread over some more."""
        self._quiet = max(self._quiet, asyncio.get_running_loop().time() + seconds)
        self._spread = spread
