"""OpenAI's batch interface: a file of requests is uploaded, a job made of it, and two files come back.

Documented at https://platform.openai.com/docs/guides/batch; other vendors offer the same. Failed rows stand
in a file of their own.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from vlmbench.models.servers.batch.interface import (
    MEGABYTE,
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

_ENDED = ("completed", "failed", "expired", "cancelled")
_MARK = "vlmbench"


class OpenAIBatch(BatchInterface):
    """Jobs of chat completions or of responses."""

    most_rows = 50_000
    most_bytes = 200 * MEGABYTE

    def frame(self, ticket: JobTicket) -> tuple[bytes, bytes, bytes]:
        """JSON Lines."""
        return b"", b"\n", b"\n"

    def row(self, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The address is written as OpenAI has it, whatever the server's is."""
        return {"custom_id": name, "method": "POST", "url": f"/v1/{path}", "body": body}

    async def upload(self, client: BatchClient, file: IO[bytes], ticket: JobTicket) -> str:
        """A file costs nothing: one that is uploaded twice does no harm."""
        stored = await client.call(
            "POST", "files", file=file, form={"purpose": "batch"}, name=f"{ticket.key}.jsonl"
        )
        return path_part(stored.get("id"))

    async def create(self, client: BatchClient, file: IO[bytes], uploaded: str, ticket: JobTicket) -> Any:
        """A job of the uploaded file, marked with the ticket's key."""
        job = {"input_file_id": uploaded, "endpoint": f"/v1/{ticket.path}", "completion_window": "24h"}
        return await client.call("POST", self.jobs, document={**job, "metadata": {_MARK: ticket.key}})

    def state(self, job: dict[str, Any]) -> JobState:
        """A job that has expired or was cancelled keeps the answers that it has."""
        counts, words = object_in(job, "request_counts"), str(job.get("status"))
        files = [job.get(name) for name in ("output_file_id", "error_file_id")]
        reasons = [words_in(error) for error in members(object_in(job, "errors"), "data")]
        return JobState(
            words=words,
            ended=words in _ENDED,
            done=whole_number(counts.get("completed")) + whole_number(counts.get("failed")),
            results=tuple(f"files/{path_part(file)}/content" for file in files if file),
            reason="; ".join(reasons[:3]),
        )

    def outcome(self, line: dict[str, Any]) -> RowOutcome:
        """A row's response has a status and a body, and a row that was never asked has an error instead."""
        name, response = str(line.get("custom_id")), object_in(line, "response")
        body = response.get("body")
        if line.get("error"):
            return RowOutcome(name, error=words_in(line["error"]))
        if response.get("status_code") != 200:
            return RowOutcome(
                name, error=f"the server answers {response.get('status_code')}: {words_in(body)}"
            )
        return RowOutcome(name, reply=body)

    def is_of(self, job: dict[str, Any], ticket: JobTicket) -> bool:
        """The key is in the job's metadata."""
        return object_in(job, "metadata").get(_MARK) == ticket.key

    def next_page(self, page: dict[str, Any]) -> str:
        """Newest first; the last job of a page leads to the next."""
        jobs = members(page, self.listed)
        return f"after={self.id_of(jobs[-1])}" if page.get("has_more") and jobs else ""


OPENAI_BATCH = OpenAIBatch()
