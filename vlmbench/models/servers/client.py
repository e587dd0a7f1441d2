"""One server: requests retried with growing waits, refusals sorted, the key kept out of every text.

answered                                   a Reply
429, 5xx, timeout, closed, not JSON        tried again, then NoReply
any other refusal                          NoReply: this request's own fault
401, 403, 404, moved, an empty account     ModelError: no request would fare better

An error sent with status 200 counts as the status that it names.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.request import getproxies

import httpx

from vlmbench.errors import ModelError
from vlmbench.files.reply_body import ACCEPTED, Excess, whole_reply
from vlmbench.models.servers.concurrency import Concurrency
from vlmbench.models.servers.pace import Pace
from vlmbench.models.servers.rate_headers import asked_wait
from vlmbench.models.servers.secret import Secret
from vlmbench.models.servers.wire import (
    NoText,
    Reply,
    Wire,
    error_in,
    json_of,
    meant,
    refused_setting,
    words_of,
)
from vlmbench.plain_text import visible

LONGEST_WORDS = 300
LONGEST_REPLY = 8_000_000
"""Bytes of an answer or a listing; parsed, it may take thirty times as much."""
KNOCKS = 3
"""So many attempts are made to reach a server that has not answered yet. One that has may come back."""
_PASSING = frozenset({408, 409, 425, 429})
_CROWDED = frozenset({429, 503, 529})
"""There was no room for this request among the others."""
Read = TypeVar("Read")
_PROXIES = ("all_proxy", "https_proxy", "http_proxy")
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class NoReply(Exception):
    """One request that failed for good."""

    def __init__(self, reason: str, *, server_down: bool = False) -> None:
        super().__init__(reason)
        self.server_down = server_down
        """The server's trouble and not this request's: the next one may meet it too."""


class _Passing(Exception):
    """A failure after which the same request may succeed."""

    def __init__(
        self,
        reason: str,
        asked_wait: float | None = None,
        *,
        unreached: bool = False,
        crowded: bool = False,
        late: bool = False,
    ) -> None:
        super().__init__(reason)
        self.asked_wait, self.unreached = asked_wait, unreached
        self.crowded, self.late = crowded, late


def key_from_environment(variable: str) -> str | None:
    """The key, None where there is none. A key that no header can carry is refused without showing it."""
    key = os.environ.get(variable, "").strip()
    if key and not (key.isascii() and key.isprintable() and " " not in key):
        raise ModelError(
            f"{variable} holds characters that no key has.",
            fix="Set it again, without quotes or line breaks.",
        )
    return key or None


def _timeout(patience: Patience, path: str) -> httpx.Timeout:
    """Less for a listing: a server writes it at once, and there may be no server at all."""
    answer, connect = (30.0, 10.0) if path == "models" else (patience.attempt_timeout, 30.0)
    longest = patience.attempt_timeout
    return httpx.Timeout(min(answer, longest), connect=min(connect, longest))


def _check_ports_of_proxies() -> None:
    proxies = getproxies()  # `no` among them, which is no address
    for proxy in (proxies[kind] for kind in ("http", "https", "all") if kind in proxies):
        port = httpx.URL(proxy if "://" in proxy else f"http://{proxy}").port
        if port is not None and not 0 < port < 65536:
            raise ValueError(port)


def _unusable_environment(error: Exception) -> ModelError:
    """Named and not shown: a proxy's address may hold a password."""
    certificates = isinstance(error, OSError)
    names = ("ssl_cert_file", "ssl_cert_dir") if certificates else (*_PROXIES, "no_proxy")
    named = ", ".join(sorted(name for name in os.environ if name.lower() in names)) or "proxy settings"
    if isinstance(error, ImportError):
        fix = "`pip install 'httpx[socks]'`, or unset it, or name the host in NO_PROXY."
    else:
        fix = "Mend it or unset it." if certificates else "Mend it, unset it, or name the host in NO_PROXY."
    return ModelError(f"no connection can be made with the environment's {named}.", fix=fix)


class ChatClient:
    """A connection pool to one server. Use it as an async context manager, in one event loop."""

    def __init__(
        self,
        url: str,
        wire: Wire,
        *,
        patience: Patience,
        pace: Pace | None = None,
        concurrency: Concurrency | None = None,
        key: str | None = None,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """`key` names an environment variable that is read before the interface's own."""
        self._url, self._patience, self._say = url, patience, say
        self._pace, self._concurrency = pace or Pace(), concurrency or Concurrency(1)
        self._wire, connections = wire, self._concurrency.most
        self._variable = key if key and os.environ.get(key, "").strip() else wire.key
        self._key = key_from_environment(self._variable)
        self.secret = Secret(self._key)
        # A proxy of the environment cannot reach this machine's own loopback.
        trust = httpx.URL(url).host not in _LOOPBACK
        try:
            if trust:
                _check_ports_of_proxies()
            self._http = httpx.AsyncClient(
                headers={**ACCEPTED, **wire.headers(self._key)},
                limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
                trust_env=trust,
            )
        except (ImportError, OSError, ValueError, httpx.InvalidURL) as error:
            raise _unusable_environment(error) from None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def chat(self, path: str, body: dict[str, Any]) -> Reply:
        """The server's answer to a body."""
        try:
            return await self._patiently(
                lambda number: self._once(number, "POST", path, body, self._wire.read)
            )
        except NoText as error:
            raise NoReply(self.shown(str(error))) from None

    async def models(self) -> list[dict[str, Any]]:
        """The models that the server lists; empty where it has no list."""
        try:
            listing = self._wire.entries
            return await self._patiently(
                lambda number: self._once(number, "GET", "models", None, listing), knocks=KNOCKS
            )
        except NoReply as error:
            if error.server_down:
                raise ModelError(
                    f"{self._url} does not answer: {error}.", fix="Is the server running?"
                ) from None
            return []

    async def _patiently(
        self, attempt: Callable[[int], Awaitable[Read]], *, knocks: int | None = None
    ) -> Read:
        """Attempts with growing waits, until one succeeds or the deadline comes. Each is given its number.

        After `knocks` attempts without a connection the server is taken for down.
        """
        patience, loop = self._patience, asyncio.get_running_loop()
        await self._pace.turn()
        end = loop.time() + patience.deadline
        failures = 0
        while True:
            left = min(patience.attempt_timeout, max(end - loop.time(), 0.0))
            try:
                return await self._counted(attempt(self._pace.number), left)
            except _Passing as error:
                trouble = error
            failures += 1
            wait = patience.wait(failures, trouble.asked_wait)
            asked = f", asked to wait {trouble.asked_wait:g} s" if trouble.asked_wait else ""
            given_up = NoReply(f"{trouble}{asked} ({failures} attempts)", server_down=True)
            most = knocks if knocks and trouble.unreached else patience.attempts
            if failures >= min(most, patience.attempts) or loop.time() + wait > end:
                raise given_up
            if trouble.asked_wait:
                self._pace.hold(trouble.asked_wait, patience.base)
            if self._say is not None:
                self._say(f"{self._url} does not answer yet ({trouble}); asking again in {wait:.0f} s")
            await asyncio.sleep(wait)
            if not await self._pace.turn(end):
                raise given_up

    async def _counted(self, attempt: Awaitable[Read], left: float) -> Read:
        """One attempt of at most so many seconds; how it ends decides how many there may be at a time."""
        counted = self._concurrency.begin()
        answered, trouble = False, None
        try:
            found = await asyncio.wait_for(attempt, left)
            answered = True
            return found
        except TimeoutError:
            trouble = _Passing(f"no answer within {left:.3g} s", late=True)
            raise trouble from None
        except _Passing as error:
            trouble = error
            raise
        finally:
            self._concurrency.end(answered=answered)
            if trouble is not None and (trouble.crowded or trouble.late):
                self._concurrency.crowded(counted, late=trouble.late, asked_wait=trouble.asked_wait)

    async def _once(
        self, number: int, method: str, path: str, body: dict[str, Any] | None, read: Callable[[Any], Read]
    ) -> Read:
        begun = asyncio.get_running_loop().time()
        try:
            async with self._http.stream(
                method, f"{self._url}/{path}", json=body, timeout=_timeout(self._patience, path)
            ) as stream:
                response = await whole_reply(stream, LONGEST_REPLY)
        except Excess as error:
            raise NoReply(str(error)) from None
        except httpx.HTTPError as error:
            raise self._broken(error) from None
        self._pace.learn(response.headers, number, begun)
        if response.status_code != 200:
            raise self._refusal(response, path, response.status_code, body)
        try:
            document = self.secret.out_of(response.json())
        except (ValueError, RecursionError):
            raise _Passing("the reply is not JSON") from None
        if (error_sent := error_in(document)) is not None:
            raise self._refusal(response, path, meant(error_sent), body)
        try:
            return read(document)
        except ValueError as error:
            raise _Passing(str(error)) from None

    def _broken(self, error: httpx.HTTPError) -> _Passing:
        """The failure of a connection, which another attempt may not meet."""
        reason = self.shown(f"{type(error).__name__}: {error}".rstrip(": "))
        unreached = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError))
        return _Passing(reason, unreached=unreached, late=isinstance(error, httpx.TimeoutException))

    def _refusal(
        self, response: httpx.Response, path: str, status: int, body: dict[str, Any] | None = None
    ) -> Exception:
        words = self.shown(words_of(response))
        answers = f"{response.status_code} with an error" if response.status_code == 200 else str(status)
        if status in (401, 403):
            state = "is not accepted" if self._key else "is not set"
            return ModelError(
                f"{self._url} answers {answers}: {words}. {self._variable} {state} there.",
                fix=f"Set {self._variable} in the environment to a key of that server.",
            )
        if status == 429 and "insufficient_quota" in words:
            return ModelError(f"{self._url}: this key's account is used up ({words}).")
        if status in _PASSING or status >= 500:
            wait = asked_wait(response.headers, json_of(response))
            return _Passing(f"the server answers {answers}: {words}", wait, crowded=status in _CROWDED)
        if status in (307, 308) or (300 <= status < 400 and path != "models"):
            return self._moved(response, path)
        if status == 404 and path != "models":
            return ModelError(
                f"{self._url} answers {answers}: {words}.",
                fix="Write the name that the server gives the model, and the address up to its version: "
                f"{self._wire.written}.",
            )
        if body is not None and (setting := refused_setting(self._wire, body, words)):
            return ModelError(
                f"{self._url} refuses this setting of decoding: it answers {answers}: {words}.",
                key=setting,
                fix="Leave it out, or ask a server or a model folder that takes it.",
            )
        return NoReply(f"the server answers {answers}: {words}")

    def _moved(self, response: httpx.Response, path: str) -> ModelError:
        """Not followed: the key would go to an address that the user did not write."""
        try:
            there = response.url.join(response.headers["Location"])
            other = f"{there.scheme}://{there.netloc.decode('ascii')}{there.path}"
        except (KeyError, httpx.InvalidURL, ValueError):
            other = ""
        other = self.shown(other.rstrip("/").removesuffix(f"/{path}"))
        return ModelError(
            f"{self._url} answers {response.status_code}: it sends to {other or 'no address'}.",
            fix=f"If you trust that address, write {self._wire.kind}:NAME@{other}." if other else None,
        )

    def shown(self, words: str) -> str:
        """Harmless for a terminal, without our key, and only then short: half a key is not known for one."""
        return visible(self.secret.out_of_words(words), LONGEST_WORDS)


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

    def wait(self, failures: int, asked_wait: float | None = None) -> float:
        """Seconds before the next attempt. What the server asks for is a minimum.

        A random part keeps requests that failed together from coming back together.
        """
        jitter: float = random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, keeps no secret
        if asked_wait is not None:
            return asked_wait + self.base * (jitter - 0.5)
        return jitter * min(self.base * 2.0 ** (failures - 1), self.longest)
