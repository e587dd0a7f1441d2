"""What a server's reply states about its limits: what remains of them, and how long to wait.

    x-ratelimit-{limit,remaining,reset}-tokens          OpenAI and many others; the reset is a duration: 6m0s
    anthropic-ratelimit-tokens-{limit,remaining,reset}  the reset is a moment of RFC 3339
    Retry-After, retry-after-ms                         after a refusal
    google.rpc.RetryInfo                                after a refusal, in Gemini's body

For requests, input tokens and whatever else a server counts likewise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from vlmbench.models.servers.wire import error_in, members

_NAME = re.compile(
    r"(?:x|anthropic)-ratelimit-(?:(?P<part>limit|remaining|reset)-(?P<what>[\w-]+)"
    r"|(?P<what2>[\w-]+)-(?P<part2>limit|remaining|reset))",
    re.IGNORECASE,
)
_DURATION = re.compile(
    r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?!s))?(?:(?P<s>[\d.]+)s)?(?:(?P<ms>[\d.]+)ms)?", re.ASCII
)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(frozen=True, slots=True)
class StatedLimit:
    """A limit as a reply states it."""

    limit: float
    """The whole of it; at least what remains."""
    remaining: float
    seconds: float
    """Until all of it is there again."""


def stated_limits(headers: Mapping[str, str]) -> dict[str, StatedLimit]:
    """The limits that a reply states, by what they count, where it states what remains and until when."""
    found: dict[str, dict[str, str]] = {}
    for name, value in headers.items():
        if named := _NAME.fullmatch(name):
            what = (named["what"] or named["what2"]).lower()
            found.setdefault(what, {})[(named["part"] or named["part2"]).lower()] = value
    read = {what: _read(parts, headers.get("date")) for what, parts in found.items()}
    return {what: limit for what, limit in read.items() if limit is not None}


def _read(parts: Mapping[str, str], date: str | None) -> StatedLimit | None:
    remaining = _number(parts.get("remaining"))
    seconds = _until_reset(parts.get("reset"), date)
    if remaining is None or seconds is None:
        return None
    limit = max(_number(parts.get("limit")) or 0.0, remaining)
    return StatedLimit(limit, remaining, seconds) if limit > 0 else None


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None


def _until_reset(text: str | None, date: str | None) -> float | None:
    """A duration, seconds, or a moment, counted from the server's own clock where it states the date."""
    if not text:
        return None
    if (seconds := _number(text)) is not None:
        return seconds if seconds < 1e6 else None  # more is a moment, of a clock that nobody names
    if (found := _DURATION.fullmatch(text)) is not None:
        try:
            return sum(float(found[unit]) * size for unit, size in _UNITS.items() if found[unit])
        except ValueError:
            return None
    try:
        moment = datetime.fromisoformat(text)
        return max((moment - (_date(date) or datetime.now(UTC))).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def asked_wait(headers: Mapping[str, str], document: Any) -> float | None:
    """Seconds that a refusal asks to wait, in its headers or in its body."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    stated = retry_after(headers.get("retry-after"))
    return stated if stated is not None else _retry_info(document)


def retry_after(header: str | None) -> float | None:
    """Seconds that a `Retry-After` header asks for, given in seconds or as a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        moment = _date(header)
        return None if moment is None else max((moment - datetime.now(UTC)).total_seconds(), 0.0)
    return max(seconds, 0.0) if seconds < float("inf") else None


def _retry_info(document: Any) -> float | None:
    """Gemini's; a second more, because it cuts off the fraction."""
    details = members(error_in(document), "details")
    delays = (detail.get("retryDelay") for detail in details if "RetryInfo" in str(detail.get("@type")))
    found = _DURATION.fullmatch(str(next(delays, "")))
    return float(found["s"]) + 1 if found and found["s"] and _number(found["s"]) is not None else None


def _date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError):
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
