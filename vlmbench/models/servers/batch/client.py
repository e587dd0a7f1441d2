"""The HTTP of batch interfaces: uploads from a file, downloads into one, and replies of a bounded size.

Retries, waits and refusals are the chat client's. A missing path is no reason to end a run here: a server
without a batch interface has none, and a job may be gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import IO, Any

import httpx

from vlmbench.files.reply_body import Excess, Unpacking, whole_reply
from vlmbench.models.servers.batch.interface import MEGABYTE, MOST_OF_REPLY
from vlmbench.models.servers.client import ChatClient, NoReply

MOST_OF_RESULTS = 8000 * MEGABYTE
_CHUNK = 1 << 20
_MISSING = (404, 405, 410, 501)


class GoneAtServer(NoReply):
    """There is nothing at this path, or nothing any more."""


class BatchClient(ChatClient):
    """A chat client that also sends and fetches files."""

    async def call(
        self,
        method: str,
        path: str,
        *,
        document: Mapping[str, Any] | None = None,
        file: IO[bytes] | None = None,
        form: Mapping[str, str] | None = None,
        name: str = "",
    ) -> dict[str, Any]:
        """The object with which the server answers.

        A file is the body itself, or goes by a name into a form.
        """

        async def attempt(_number: int) -> dict[str, Any]:
            async with self._opened(method, path, _content(document, file, form, name)) as response:
                return self._object((await whole_reply(response, MOST_OF_REPLY)).content)

        return await self._patiently(attempt)

    async def download(self, path: str, file: IO[bytes]) -> None:
        """What is at a path into a file, which every attempt begins again."""

        async def attempt(_number: int) -> None:
            file.seek(0)
            file.truncate()
            async with self._opened("GET", path, {}) as response:
                unpacking = Unpacking(response.headers, MOST_OF_RESULTS)
                async for came in response.aiter_raw():
                    for piece in unpacking.pieces(came):
                        file.write(piece)

        await self._patiently(attempt)
        file.seek(0)

    @asynccontextmanager
    async def _opened(
        self, method: str, path: str, content: Mapping[str, Any]
    ) -> AsyncIterator[httpx.Response]:
        try:
            async with self._http.stream(
                method, f"{self._url}/{path}", timeout=self._patience.attempt_timeout, **content
            ) as response:
                if not response.is_success:  # some vendors answer 201 to what makes a job
                    raise self._refused(await whole_reply(response, MOST_OF_REPLY), path)
                yield response
        except Excess as error:
            raise NoReply(str(error)) from None
        except httpx.HTTPError as error:
            raise self._broken(error) from None

    def _object(self, content: bytes) -> dict[str, Any]:
        try:
            found = self.secret.out_of(json.loads(content))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise httpx.DecodingError("the reply is no JSON object")
        return found

    def _refused(self, response: httpx.Response, path: str) -> Exception:
        if response.status_code in _MISSING:
            return GoneAtServer(f"the server answers {response.status_code}: {self.shown(response.text)}")
        return self._refusal(response, path, response.status_code)


def _content(
    document: Mapping[str, Any] | None, file: IO[bytes] | None, form: Mapping[str, str] | None, name: str
) -> dict[str, Any]:
    """What httpx calls the body, made anew for each attempt."""
    if file is None:
        return {} if document is None else {"json": document}
    file.seek(0)
    if form is not None:
        return {"data": form, "files": {"file": (name, file, "application/jsonl")}}
    headers = {"Content-Type": "application/json", "Content-Length": str(os.fstat(file.fileno()).st_size)}
    return {"content": _chunks(file), "headers": headers}


async def _chunks(file: IO[bytes]) -> AsyncIterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
