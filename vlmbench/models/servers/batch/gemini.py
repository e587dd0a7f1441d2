"""Gemini's batch mode with requests inside the job, which also holds the results.

Documented at https://ai.google.dev/gemini-api/docs/batch-mode. Jobs of uploaded files could be larger; their
upload is a protocol of its own, and small jobs need none of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote

from vlmbench.models.servers.batch.interface import (
    MEGABYTE,
    MOST_OF_REPLY,
    BatchInterface,
    JobState,
    JobTicket,
    RowOutcome,
    path_part,
    whole_number,
    words_in,
)
from vlmbench.models.servers.wire import members, object_in

if TYPE_CHECKING:
    from vlmbench.models.servers.batch.client import BatchClient

_ENDED = ("SUCCEEDED", "PARTIALLY_SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED")


class GeminiBatch(BatchInterface):
    """Jobs of requests for content."""

    most_rows = 1000
    """The results come as one JSON object, which is read whole."""
    most_bytes = 20 * MEGABYTE
    listed = "operations"
    page_size = "pageSize"
    cancelling = ":cancel"

    def frame(self, ticket: JobTicket) -> tuple[bytes, bytes, bytes]:
        """One JSON object; the key is the job's name for people."""
        start = f'{{"batch":{{"displayName":"{ticket.key}","inputConfig":{{"requests":{{"requests":['
        return start.encode("ascii"), b",", b"]}}}}"

    def row(self, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The row's name stands beside the request."""
        return {"request": body, "metadata": {"key": name}}

    async def create(self, client: BatchClient, file: IO[bytes], uploaded: str, ticket: JobTicket) -> Any:
        """The file is the request."""
        path = ticket.path.removesuffix(":generateContent")
        return await client.call("POST", f"{path}:batchGenerateContent", file=file)

    def state(self, job: dict[str, Any]) -> JobState:
        """States begin with BATCH_STATE_, or with JOB_STATE_ in older replies; counts are texts."""
        said = object_in(job, "metadata")
        words = str(said.get("state")).rpartition("STATE_")[2]
        counts = object_in(said, "batchStats")
        done = ("successfulRequestCount", "failedRequestCount")
        ended = words in _ENDED
        return JobState(
            words=words.lower(),
            ended=ended,
            done=sum(whole_number(counts.get(name)) for name in done),
            results=(f"{self.jobs}/{self.id_of(job)}",) if ended else (),
            reason=words_in(job["error"]) if job.get("error") else "",
        )

    def lines(self, file: IO[bytes]) -> Iterator[dict[str, Any]]:
        """The responses inside the job."""
        try:
            job = json.loads(file.read(MOST_OF_REPLY))
        except (ValueError, RecursionError):
            return
        for place in (object_in(object_in(job, "metadata"), "output"), object_in(job, "response")):
            if found := members(object_in(place, "inlinedResponses"), "inlinedResponses"):
                yield from found
                return

    def outcome(self, line: dict[str, Any]) -> RowOutcome:
        """A response, or a status of Google's interfaces."""
        name = str(object_in(line, "metadata").get("key"))
        if line.get("error"):
            return RowOutcome(name, error=words_in(line["error"]))
        return RowOutcome(name, reply=line.get("response"))

    def is_of(self, job: dict[str, Any], ticket: JobTicket) -> bool:
        """The job's name for people."""
        return object_in(job, "metadata").get("displayName") == ticket.key

    def next_page(self, page: dict[str, Any]) -> str:
        """The list names a token."""
        token = page.get("nextPageToken")
        return f"pageToken={quote(token, safe='')}" if isinstance(token, str) and token else ""

    def id_of(self, job: dict[str, Any]) -> str:
        """`batches/ID` without its folder."""
        return path_part(str(job.get("name")).removeprefix(f"{self.jobs}/"))


GEMINI_BATCH = GeminiBatch()
