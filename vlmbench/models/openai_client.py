"""One server spoken to: requests retried with patience, refusals told apart, the key kept out of every text.

answered                                   a Reply
429, 5xx, timeout, closed, no JSON         tried again, then NoReply
any other refusal                          NoReply: this request's own fault
401, 403, 404, an empty account            ModelError: no request would fare better
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Any, TypeVar

import httpx

from vlmbench.errors import ModelError
from vlmbench.models.openai_retry import Pace, Patience, retry_after
from vlmbench.models.openai_wire import NoText, Reply, read_reply

KEY = "OPENAI_API_KEY"
_PASSING = frozenset({408, 409, 425, 429})
Read = TypeVar("Read")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class NoReply(Exception):
    """One request that failed for good."""

    def __init__(self, reason: str, *, server_down: bool = False) -> None:
        super().__init__(reason)
        self.server_down = server_down
        """The server's trouble and not this request's: the next one may meet it too."""


class _Passing(Exception):
    """A failure that may pass."""

    def __init__(self, reason: str, told: float | None = None) -> None:
        super().__init__(reason)
        self.told = told


def key_from_environment() -> str | None:
    """The key, None where there is none. A key that no header can carry is refused without showing it."""
    key = os.environ.get(KEY, "").strip()
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ModelError(
            f"{KEY} holds characters that no key has.", fix="Set it again, without quotes or line breaks."
        )
    return key or None


class ChatClient:
    """A connection pool to one server. Use it as an async context manager, in one event loop."""

    def __init__(self, url: str, *, patience: Patience, pace: Pace, connections: int = 1) -> None:
        self._url, self._patience, self._pace = url, patience, pace
        self._key = key_from_environment()
        # A proxy of the environment cannot reach this machine's own loopback.
        trust = httpx.URL(url).host not in _LOOPBACK
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {self._key}"} if self._key else {},
            timeout=httpx.Timeout(patience.attempt_timeout, connect=min(30.0, patience.attempt_timeout)),
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            trust_env=trust,
        )

    async def __aenter__(self) -> ChatClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def chat(self, body: dict[str, Any]) -> Reply:
        """The server's answer to a chat body."""
        try:
            return await self._patiently("POST", "chat/completions", body, read_reply)
        except NoText as error:
            raise NoReply(str(error)) from None

    async def models(self) -> list[dict[str, Any]]:
        """What the server says it serves; empty when it does not say."""
        try:
            return await self._patiently("GET", "models", None, _entries)
        except NoReply as error:
            if error.server_down:
                raise ModelError(
                    f"{self._url} does not answer: {error}.", fix="Is the server running?"
                ) from None
            return []

    async def _patiently(
        self, method: str, path: str, body: dict[str, Any] | None, read: Callable[[Any], Read]
    ) -> Read:
        """Attempts with growing waits, until one succeeds or the deadline comes."""
        patience, loop = self._patience, asyncio.get_running_loop()
        await self._pace.turn()
        end = loop.time() + patience.deadline
        failures = 0
        while True:
            left = min(patience.attempt_timeout, max(end - loop.time(), 0.0))
            try:
                return await asyncio.wait_for(self._once(method, path, body, read), left)
            except (_Passing, asyncio.TimeoutError) as error:
                reason = str(error) or f"no answer within {patience.attempt_timeout:g} s"
                told = error.told if isinstance(error, _Passing) else None
            failures += 1
            wait = patience.wait(failures, told)
            if failures >= patience.attempts or loop.time() + wait > end:
                asked = f", asked to wait {told:g} s" if told else ""
                raise NoReply(f"{reason}{asked} ({failures} attempts)", server_down=True) from None
            if told:
                self._pace.hold(told)
            await asyncio.sleep(wait)
            await self._pace.turn()

    async def _once(
        self, method: str, path: str, body: dict[str, Any] | None, read: Callable[[Any], Read]
    ) -> Read:
        try:
            response = await self._http.request(method, f"{self._url}/{path}", json=body)
        except httpx.HTTPError as error:
            raise _Passing(self._safe(f"{type(error).__name__}: {error}".rstrip(": "))) from None
        if response.status_code != 200:
            raise self._refusal(response, path)
        try:
            document = response.json()
        except ValueError:
            raise _Passing("the reply is no JSON") from None
        try:
            return read(document)
        except ValueError as error:
            raise _Passing(str(error)) from None

    def _refusal(self, response: httpx.Response, path: str) -> Exception:
        status, said = response.status_code, self._said(response)
        if status in (401, 403):
            state = "is not accepted" if self._key else "is not set"
            return ModelError(
                f"{self._url} answers {status}: {said}. {KEY} {state} there.",
                fix=f"Set {KEY} in the environment to a key of that server.",
            )
        if status == 429 and "insufficient_quota" in said:
            return ModelError(f"{self._url}: this key's account is used up ({said}).")
        if status in _PASSING or status >= 500:
            return _Passing(
                f"the server answers {status}: {said}", retry_after(response.headers.get("Retry-After"))
            )
        if status == 404 and path != "models":
            return ModelError(
                f"{self._url} answers 404: {said}.",
                fix="Write the name that the server gives the model, and its address up to `/v1`: "
                "openai:NAME@http://HOST:PORT/v1.",
            )
        return NoReply(f"the server answers {status}: {said}")

    def _said(self, response: httpx.Response) -> str:
        """The server's own words, short and without our key."""
        try:
            error = response.json()["error"]
            said = (
                f"{error.get('message', '')} {error.get('code') or ''}"
                if isinstance(error, dict)
                else str(error)
            )
        except (ValueError, KeyError, TypeError):
            said = response.text
        return self._safe(" ".join(said.split())[:300]) or response.reason_phrase

    def _safe(self, text: str) -> str:
        return text.replace(self._key, "…") if self._key else text


def _entries(document: Any) -> list[dict[str, Any]]:
    data = document.get("data") if isinstance(document, dict) else None
    return [entry for entry in data if isinstance(entry, dict)] if isinstance(data, list) else []
