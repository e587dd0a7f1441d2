"""A model behind a server: OpenAI's interface (vLLM, LMDeploy, SGLang, a vendor), Anthropic's or Gemini's.

    openai:NAME@URL             NAME as the server calls it; URL up to `/v1`
    responses:NAME[@URL]        OpenAI's newer interface
    anthropic:NAME[@URL]
    gemini:NAME[@URL]

The key comes from OPENAI_API_KEY, ANTHROPIC_API_KEY or GEMINI_API_KEY and nowhere else (a judge's from
VLMBENCH_JUDGE_KEY first), and is in no error, file or repr.
"""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from vlmbench.answers.responses import apart
from vlmbench.answers.usage import is_counted
from vlmbench.domain import ImageRef, ImageSource, Request, Response
from vlmbench.errors import DataError, ModelError, ModelUsageError
from vlmbench.images import square_png
from vlmbench.models.servers.anthropic import ANTHROPIC
from vlmbench.models.servers.batch.client import BatchClient
from vlmbench.models.servers.client import ChatClient, NoReply, Patience
from vlmbench.models.servers.concurrency import MOST, Concurrency
from vlmbench.models.servers.family import padding_of_served, style_of_served
from vlmbench.models.servers.gemini import GEMINI
from vlmbench.models.servers.openai import OPENAI
from vlmbench.models.servers.pace import Pace
from vlmbench.models.servers.picture_detail import with_detail
from vlmbench.models.servers.responses import RESPONSES
from vlmbench.models.servers.stream import Ask, as_they_come
from vlmbench.models.servers.wire import Reply, Wire, check_askable
from vlmbench.models.thinking_switch import ThinkingSwitch, server_fields, switch_facts, with_fields
from vlmbench.prompts import ChosenStyle

WIRES = {wire.kind: wire for wire in (OPENAI, RESPONSES, ANTHROPIC, GEMINI)}
_SPEC = re.compile(r"(?P<kind>\w+):(?P<name>.+?)(?:@(?P<url>https?://.+))?", re.IGNORECASE)
UPLOAD = 1800.0
"""Seconds for one attempt to send or fetch a file of a batch job."""
_SERVER_IS_GONE = 2
"""So many failed requests in a row, times the concurrency, and the server is taken for gone."""


def load_server(
    spec: str,
    *,
    concurrency: int | None = None,
    requests_per_minute: float | None = None,
    patience: Patience | None = None,
    thinking: ThinkingSwitch | None = None,
    detail: str | None = None,
    key: str | None = None,
) -> ServedModel:
    """The model that `openai:NAME@URL`, or one of another interface, names. Nothing is asked yet.

    `concurrency` requests are sent at a time; None: as many as the server turns out to have room for. `key`
    names an environment variable that is read before the interface's own.
    """
    wire, name, url = read_spec(spec)
    # More at once than a minute allows would only wait in line.
    most = max(1, int(requests_per_minute or MOST))
    fixed = None if concurrency is None else min(concurrency, most)
    at_a_time = Concurrency(fixed, min(most, MOST))
    patience = patience or Patience()
    return ServedModel(wire, name, url, at_a_time, requests_per_minute, patience, thinking, detail, key)


def read_spec(spec: str) -> tuple[Wire, str, str]:
    """Interface, name and base address."""
    found = _SPEC.fullmatch(spec)
    wire = WIRES[spec.partition(":")[0].lower()]
    fix = f"Write {wire.written}."
    url = ((found and found["url"]) or wire.url).rstrip("/").removesuffix("/chat/completions")
    if found is None or not url or (found["url"] is None and "@" in found["name"]):
        raise ModelUsageError(f"`{wire.kind}:` is followed by a model's name and an address.", fix=fix)
    authority = url.split("/")[2]
    if "@" in authority or "?" in url or "#" in url:
        # Not shown: what stands there is what must not be seen. Run folders record the command line.
        raise ModelUsageError(
            f"the address of this `{wire.kind}:` model has a user, a password or a query; a key belongs into "
            f"the environment variable {wire.key}.",
            fix=fix,
        )
    _check_address(url, wire)
    return wire, found["name"], url if "/" in url.split("://", 1)[1] else f"{url}/v1"


def _check_address(url: str, wire: Wire) -> None:
    """Refuse what no connection can be made to, which would fail without a word that helps."""
    import httpx

    fix = f"Write {wire.written}."
    try:
        parsed = httpx.URL(url)
        host, port = parsed.host, parsed.port
        if ":" not in host:
            host.encode("idna")
    except (httpx.InvalidURL, ValueError):
        host, port = "", None
    if not host or any(character.isspace() for character in url):
        raise ModelUsageError(
            f"the address of this `{wire.kind}:` model has no host that can be read.", fix=fix
        )
    if port is not None and not 0 < port < 65536:
        raise ModelUsageError(f"{port} is not a port; the highest is 65535.", fix=fix)


class ServedModel:
    """Asks a server, several requests at a time. Make one with `load_server`."""

    def __init__(
        self,
        wire: Wire,
        name: str,
        url: str,
        concurrency: Concurrency,
        requests_per_minute: float | None,
        patience: Patience,
        thinking: ThinkingSwitch | None = None,
        detail: str | None = None,
        key: str | None = None,
    ) -> None:
        self._wire, self._name, self._url, self._thinking = wire, name, url, thinking
        self._rpm, self._patience, self._detail, self._key = requests_per_minute, patience, detail, key
        self._concurrency, self._held = concurrency, 0.0
        self._say: Callable[[str], None] | None = None
        self._counts_tokens: bool | None = None

    def __repr__(self) -> str:
        return f"ServedModel('{self._wire.kind}:{self._name}@{self._url}')"

    @property
    def name(self) -> str:
        """The last part of the name the server knows it by."""
        return self._name.rstrip("/").rsplit("/", 1)[-1] or self._name

    @property
    def wire(self) -> Wire:
        """Its interface."""
        return self._wire

    @property
    def url(self) -> str:
        """Where it is served."""
        return self._url

    @property
    def patience(self) -> Patience:
        """How often one request is tried."""
        return self._patience

    def batch_client(self, attempts: int | None = None) -> BatchClient:
        """A client for files and jobs: an upload of hundreds of megabytes may take longer than an answer."""
        longest = {"attempt_timeout": UPLOAD, "deadline": 2 * UPLOAD}
        patience = replace(self._patience, **longest, attempts=attempts or self._patience.attempts)
        return BatchClient(self._url, self._wire, patience=patience)

    def reach(self, say: Callable[[str], None]) -> None:
        """Ask the server what it serves now, before anything else waits for it, and report each wait."""
        self._say = say
        self._listed  # noqa: B018 - asked once, kept for `facts` and the switch
        self._switch  # noqa: B018 - refused before anything else

    @cached_property
    def _listed(self) -> list[dict[str, Any]]:
        return [entry for entries in as_they_come(self._listing, [None], lambda: 1) for entry in entries]

    @cached_property
    def _entry(self) -> dict[str, Any]:
        return next((entry for entry in self._listed if entry.get("id") == self._name), {})

    @cached_property
    def _switch(self) -> dict[str, Any]:
        """What a request says of thinking; refused here where the server has no such switch."""
        if self._thinking is None:
            return {}
        owner = str(self._entry.get("owned_by") or "")
        served = str(self._entry.get("root") or self._name)
        return server_fields(self._thinking, served, self._url, owner, self._wire.kind)

    @cached_property
    def chosen_style(self) -> ChosenStyle:
        """That of the model's family, by its files where these are here, else by its name."""
        return style_of_served(self._name, self._listed)

    @property
    def style(self) -> str:
        """Its name."""
        return self.chosen_style.name

    @cached_property
    def padding(self) -> tuple[int, int, int]:
        """The colour with which pictures are padded here, where the prompt style wants squares."""
        return padding_of_served(self._name, self._listed)

    @property
    def served_since(self) -> float | None:
        """Since when the server has this model, in Unix time; some put the time of the question there."""
        created = self._entry.get("created")
        return float(created) if isinstance(created, int | float) and created > 0 else None

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """Name and address, and the weights that the server names."""
        ours = self._entry
        # `created` is left out: some servers put the time of the question there.
        served = {key: ours[key] for key in ("id", "root") if isinstance(ours.get(key), str)}
        known = {"kind": self._wire.kind, "name": self._name, "url": self._url, "served": served or None}
        known |= {"pictures": {"detail": self._detail}} if self._detail else {}
        return known | switch_facts(self._thinking)

    def render(self, request: Request) -> str:
        """What is sent; the server's own chat template comes around it. A picture as `<image>`."""
        words = ["<image>" if isinstance(part, ImageRef) else part for part in request.parts]
        return "\n".join([request.system, *words] if request.system else words)

    def check(self, request: Request) -> None:
        """Refuse what this server cannot be asked for, before a run is locked to it."""
        check_askable(request, self._wire)
        room, longest = self._entry.get("max_model_len"), request.decoding.max_new_tokens
        if isinstance(room, int) and 0 < room <= longest:
            raise ModelUsageError(
                f"the server has room for {room} tokens of prompt and answer together (max_model_len), and "
                f"this prompt style allows an answer of {longest}.",
                key="--max-new-tokens",
                fix=f"Add `--max-new-tokens {max(1, room // 2)}`, or start the server with more room.",
            )

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """Answers as they come."""
        self._switch  # noqa: B018 - before the first request, and outside the loop that asks
        at_a_time = self._concurrency
        at_a_time.count_anew()
        row = _FailuresInARow(self._url)
        for response, server_down in as_they_come(self._asking(images), requests, lambda: at_a_time.limit):
            yield response
            self._note_tokens(response)
            most = _SERVER_IS_GONE * max(at_a_time.limit, at_a_time.start)
            row.note(response, most, server_down=server_down)

    @property
    def in_flight(self) -> int:
        """Requests that wait for the server now."""
        return self._concurrency.under_way

    @property
    def timing(self) -> Mapping[str, Any]:
        """How many requests at a time the latest `generate` came to."""
        found = self._concurrency
        return {
            "concurrency": {
                "settled": min(found.settled, found.highest),
                "highest": found.highest,
                "refused": found.refused,
                "held_seconds": round(self._held, 1),
            }
        }

    def _note_tokens(self, response: Response) -> None:
        """State it once, at the first answer, where the server does not count tokens."""
        if self._counts_tokens is not None or response.finish == "error":
            return
        self._counts_tokens = is_counted(response)
        if not self._counts_tokens and self._say is not None:
            self._say(f"{self._url} does not state how many tokens it used: there is no total and no cost")

    def _client(
        self,
        pace: Pace | None = None,
        concurrency: Concurrency | None = None,
        say: Callable[[str], None] | None = None,
    ) -> ChatClient:
        return ChatClient(
            self._url,
            self._wire,
            patience=self._patience,
            pace=pace,
            concurrency=concurrency,
            key=self._key,
            say=say,
        )

    @asynccontextmanager
    async def _listing(self) -> AsyncIterator[Ask[None, list[dict[str, Any]]]]:
        async with self._client(say=self._say) as client:

            async def listing(_: None) -> list[dict[str, Any]]:
                return await client.models()

            yield listing

    def _asking(self, images: ImageSource) -> Callable[[], Any]:
        @asynccontextmanager
        async def opened() -> AsyncIterator[Ask[Request, tuple[Response, bool]]]:
            pace = Pace(self._rpm)
            async with self._client(pace, self._concurrency) as client:

                async def ask(request: Request) -> tuple[Response, bool]:
                    answer = await self._answer(client, request, images)
                    self._held = pace.held
                    return answer

                yield ask

        return opened

    def body_of(self, request: Request, images: ImageSource) -> tuple[str, dict[str, Any]]:
        """Path and body of a request; refused where no server of this kind can be asked so."""
        check_askable(request, self._wire)
        shown = images if request.image_fit == "native" else SquarePictures(images, self.padding)
        path, body = self._wire.body(self._name, request, shown)
        return path, with_fields(with_detail(self._wire.kind, body, self._detail), self._switch)

    async def _answer(
        self, client: ChatClient, request: Request, images: ImageSource
    ) -> tuple[Response, bool]:
        started = time.perf_counter()
        try:
            reply = await client.chat(*self.body_of(request, images))
        except (NoReply, DataError) as error:
            down = isinstance(error, NoReply) and error.server_down
            return Response(id=request.id, text="", finish="error", error=str(error)), down
        return response_of(request.id, reply, round(time.perf_counter() - started, 3)), False


def response_of(request_id: str, reply: Reply, seconds: float | None = None) -> Response:
    """A server's reply as the answer to a request, its thought apart; None: nobody waited for it alone."""
    response = Response(
        id=request_id,
        text=reply.text,
        finish=reply.finish,
        prompt_tokens=reply.prompt_tokens,
        new_tokens=reply.new_tokens,
        seconds=seconds,
        thought=reply.thought,
        cached_tokens=reply.cached_tokens,
    )
    divided = apart(response)
    return replace(divided, thought_tokens=reply.thought_tokens) if divided.thought else divided


class SquarePictures:
    """Every picture of one request padded to a square."""

    def __init__(self, images: ImageSource, colour: tuple[int, int, int]) -> None:
        self._images, self._colour = images, colour

    def __getitem__(self, digest: str) -> bytes:
        return square_png(self._images[digest], self._colour)


class _FailuresInARow:
    """Ends a run whose server has gone, rather than letting thousands of rows fail slowly one by one."""

    def __init__(self, url: str) -> None:
        self._url, self._count = url, 0

    def note(self, response: Response, most: int, *, server_down: bool) -> None:
        """Count, and raise when it has been too many."""
        self._count = self._count + 1 if server_down else 0
        if self._count >= most:
            raise ModelError(
                f"{self._url} has failed {self._count} requests in a row; the last one: {response.error}.",
                fix="When the server is back, the same command continues.",
            )
