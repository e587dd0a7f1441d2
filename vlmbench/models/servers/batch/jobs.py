"""The batch jobs of a served model, for callers without an event loop.

jobs = open_jobs(model)
for package in jobs.packages(requests, images, folder):     # files of rows, as large as the server takes
    job = jobs.create(package)
state = jobs.state(job)
for row, response in jobs.results(state, folder): …
"""

from __future__ import annotations

import asyncio
import json
import secrets
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, TypeVar

from vlmbench.domain import ImageSource, Model, Request, Response
from vlmbench.errors import DataError, ModelError, ModelUsageError
from vlmbench.models.servers.batch.client import BatchClient, GoneAtServer
from vlmbench.models.servers.batch.interface import BatchInterface, JobState, JobTicket, RowOutcome, words_in
from vlmbench.models.servers.client import NoReply
from vlmbench.models.servers.model import ServedModel, response_of
from vlmbench.models.servers.wire import NoText, error_in, members

_CREATING = 5
"""So often a job is made anew, where none of its key is in the list after a failure."""
_PAGES = 50
CLOSING = 5.0
"""Seconds to wait for connections to close."""
_CONTINUES = "The same command continues: it takes up the jobs that are there."
Found = TypeVar("Found")


class JobRefused(ModelError):
    """The server makes no job of a package, and has made none."""


@dataclass(slots=True)
class Package:
    """A file of rows that becomes one job."""

    interface: BatchInterface
    file: IO[bytes]
    ticket: JobTicket
    rows: list[str] = field(default_factory=list)
    """Ids of the requests, in the order of the file; row n is called KEY-n."""
    size: int = 0

    def add(self, request_id: str, path: str, body: dict[str, Any]) -> bool:
        """Add a row; False where the server takes no more in one job."""
        before, between, after = self.interface.frame(self.ticket)
        row = self.interface.row(f"{self.ticket.key}-{len(self.rows)}", path, body)
        piece = (between if self.rows else before) + json.dumps(row).encode("ascii")
        size = self.size + len(piece)
        if len(self.rows) >= self.interface.most_rows or size + len(after) > self.interface.most_bytes:
            return False
        self.file.write(piece)
        self.rows.append(request_id)
        self.size = size
        return True

    def close(self) -> None:
        """Write the end of the file."""
        self.file.write(self.interface.frame(self.ticket)[2])
        self.file.flush()
        self.ticket = replace(self.ticket, rows=len(self.rows))


class BatchJobs:
    """Makes jobs, asks how far they are, and reads their results. Make one with `open_jobs`."""

    def __init__(self, model: ServedModel, interface: BatchInterface) -> None:
        self._model, self._interface = model, interface

    def __enter__(self) -> BatchJobs:
        self._client, self._once = self._model.batch_client(), self._model.batch_client(attempts=1)
        # In a thread of its own, so that callers may have a loop themselves (a notebook has).
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="batch jobs", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        async def close() -> None:
            await self._client.__aexit__()
            await self._once.__aexit__()

        with suppress(TimeoutError):
            asyncio.run_coroutine_threadsafe(close(), self._loop).result(CLOSING)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CLOSING)
        self._loop.close()

    def check(self) -> None:
        """Refuse a server without a batch interface, and a key that it does not take."""
        try:
            self._now(lambda client: client.call("GET", f"{self._interface.jobs}?{self._page_of(1)}"))
        except NoReply as error:
            if error.server_down:
                raise ModelError(f"{self._model.url} does not answer: {error}.", fix=_CONTINUES) from None
            raise ModelError(
                f"{self._model.url} offers no batch jobs: {error}.", key="--batch", fix="Leave --batch out."
            ) from None

    def packages(
        self, requests: Iterable[Request], images: ImageSource, folder: Path
    ) -> Iterator[Package | Response]:
        """Files of these requests, one at a time; a request that cannot be sent as its error."""
        package: Package | None = None
        for request in requests:
            try:
                path, body = self._model.body_of(request, images)
            except DataError as error:
                yield Response(id=request.id, text="", finish="error", error=str(error))
                continue
            if package is not None and not package.add(request.id, path, body):
                yield from _closed(package)
                package = None
            elif package is not None:
                continue
            package = self._package(path, folder)
            if not package.add(request.id, path, body):
                package.file.close()
                package = None
                words = f"longer than the {self._interface.most_bytes:,} bytes that a batch job may have"
                yield Response(id=request.id, text="", finish="error", error=words)
        if package is not None:
            yield from _closed(package)

    def _package(self, path: str, folder: Path) -> Package:
        ticket = JobTicket(key=f"vlmbench-{secrets.token_hex(8)}", path=path, rows=0, made=time.time())
        return Package(self._interface, tempfile.TemporaryFile(dir=folder), ticket)

    def create(self, package: Package, others: Iterable[str] = ()) -> str:
        """The name of the job that the server makes of a package.

        After a failure the server is first asked whether it has made the job: one made twice is paid twice.
        """
        ticket = replace(package.ticket, others=frozenset(others))

        async def create(client: BatchClient) -> str:
            uploaded = await self._interface.upload(client, package.file, ticket)
            failures = 0
            while True:
                try:
                    return self._interface.id_of(
                        await self._interface.create(self._once, package.file, uploaded, ticket)
                    )
                except (NoReply, ValueError) as error:
                    failures += 1
                    if isinstance(error, NoReply) and not error.server_down:
                        raise JobRefused(
                            f"{self._model.url} takes no batch job of this run: {error}."
                        ) from None
                    if failures >= _CREATING:
                        raise
                    trouble: Exception = error
                    await asyncio.sleep(self._model.patience.wait(failures))
                if found := await self._find(client, ticket):
                    return found
                if isinstance(trouble, ValueError):
                    raise ModelError(
                        f"{self._model.url} does not name the batch job that it was asked for; it may have "
                        "made and charge for it.",
                        key="--batch",
                        fix="Look for it there, and leave --batch out.",
                    )

        return self._now_or_never(create, "makes no batch job of these questions")

    def find(self, ticket: JobTicket) -> str:
        """The name of the job that was made for a ticket; empty where none is in the server's list."""
        return self._now_or_never(lambda client: self._find(client, ticket), "does not list its batch jobs")

    def state(self, job: str) -> JobState:
        """How far a job is.

        One that is unknown there ends the run: with the key of another account, it would be paid once more.
        """

        async def state(client: BatchClient) -> JobState:
            try:
                found = self._interface.state(await client.call("GET", f"{self._interface.jobs}/{job}"))
                return replace(found, words=client.shown(found.words), reason=client.shown(found.reason))
            except NoReply as error:
                if error.server_down:
                    raise
                raise ModelError(
                    f"{self._model.url} does not show the batch job {job}: {error}.",
                    fix=f"Set {self._model.wire.key} to a key of the account that made it. If the job is "
                    "gone for good, delete batch.json in the run folder: its questions are then asked anew.",
                ) from None

        return self._now_or_never(state, f"does not say how far the batch job {job} is")

    def cancel(self, job: str) -> None:
        """Ask the server to stop working on a job; one that has ended refuses, which is as well."""

        async def cancel(client: BatchClient) -> bool:
            path = f"{self._interface.jobs}/{job}{self._interface.cancelling}"
            try:
                return bool(await client.call("POST", path)) or True
            except NoReply as error:
                return not error.server_down

        if not self._now(cancel):
            raise ModelError(
                f"{self._model.url} does not cancel the batch job {job}.", fix="Cancel it there."
            )

    def results(self, state: JobState, folder: Path) -> Iterator[RowOutcome]:
        """Every row in a job's files, as they come; a row may be there twice, or not at all.

        A file that is no longer there, for they are kept for some weeks, is as good as an empty one. One that
        the server does not give for another reason ends the run: it is paid for.
        """
        for path in state.results:
            with tempfile.TemporaryFile(dir=folder) as file:

                async def fetch(client: BatchClient, path: str = path, file: IO[bytes] = file) -> bool:
                    try:
                        await client.download(path, file)
                    except GoneAtServer:
                        file.truncate(0)
                    return True

                self._now_or_never(fetch, "does not give the results of a batch job")
                yield from map(self._interface.outcome, self._interface.lines(file))

    def response(self, request_id: str, outcome: RowOutcome) -> Response:
        """What a row of results says, as the answer to its request."""
        error = outcome.error
        if not error:
            try:
                if (sent := error_in(outcome.reply)) is not None:
                    raise NoText(words_in(sent))
                return response_of(
                    request_id, self._model.wire.read(self._client.secret.out_of(outcome.reply))
                )
            except (NoText, ValueError, RecursionError) as found:
                error = str(found)
        return Response(id=request_id, text="", finish="error", error=self._client.shown(error))

    async def _find(self, client: BatchClient, ticket: JobTicket) -> str:
        query = self._page_of(100)
        for _ in range(_PAGES):
            page = await client.call("GET", f"{self._interface.jobs}?{query}")
            for job in members(page, self._interface.listed):
                if self._interface.is_of(job, ticket):
                    return self._interface.id_of(job)
            if not (next_page := self._interface.next_page(page)):
                break
            query = f"{self._page_of(100)}&{next_page}"
        return ""

    def _page_of(self, jobs: int) -> str:
        return f"{self._interface.page_size}={jobs}"

    def _now_or_never(self, work: Callable[[BatchClient], Coroutine[Any, Any, Found]], failure: str) -> Found:
        try:
            return self._now(work)
        except (NoReply, ValueError) as error:
            raise ModelError(f"{self._model.url} {failure}: {error}.", fix=_CONTINUES) from None

    def _now(self, work: Callable[[BatchClient], Coroutine[Any, Any, Found]]) -> Found:
        """Ctrl-C ends the waiting and what is waited for."""
        done = asyncio.run_coroutine_threadsafe(work(self._client), self._loop)
        try:
            return done.result()
        except BaseException:
            done.cancel()
            raise


def _closed(package: Package) -> Iterator[Package]:
    try:
        package.close()
        yield package
    finally:
        package.file.close()


def open_jobs(model: Model) -> BatchJobs:
    """The jobs of a model; refused where its interface has none."""
    interface = model.wire.batch if isinstance(model, ServedModel) else None
    if not isinstance(model, ServedModel) or interface is None:
        raise ModelUsageError(
            f"`{model.name}` is asked through an interface without batch jobs.",
            key="--batch",
            fix="Leave --batch out.",
        )
    return BatchJobs(model, interface)
