"""Anthropic's Message Batches: one request holds all rows, and one file of results comes back.

Documented at https://platform.claude.com/docs/en/api/messages/batches. A batch carries no mark of its sender,
so one whose name got lost is known again by the time when it was made and the number of its rows.
"""

from __future__ import annotations

from datetime import datetime
from typing import IO, TYPE_CHECKING, Any

from vlmbench.models.servers.batch.interface import (
    MEGABYTE,
    BatchInterface,
    JobState,
    JobTicket,
    RowOutcome,
    whole_number,
    words_in,
)
from vlmbench.models.servers.wire import members, object_in

if TYPE_CHECKING:
    from vlmbench.models.servers.batch.client import BatchClient

_CLOCKS = 300.0
"""Seconds by which the server's clock may be behind this machine's."""
_UNANSWERED = {"expired": "the job expired before this row's turn", "canceled": "the job was cancelled"}


class AnthropicBatch(BatchInterface):
    """Jobs of messages."""

    most_rows = 100_000
    most_bytes = 256 * MEGABYTE
    jobs = "messages/batches"

    def frame(self, ticket: JobTicket) -> tuple[bytes, bytes, bytes]:
        """One JSON object."""
        return b'{"requests":[', b",", b"]}"

    def row(self, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Names have at most 64 letters, digits, `_` and `-`."""
        return {"custom_id": name, "params": body}

    async def create(self, client: BatchClient, file: IO[bytes], uploaded: str, ticket: JobTicket) -> Any:
        """The file is the request."""
        return await client.call("POST", self.jobs, file=file)

    def state(self, job: dict[str, Any]) -> JobState:
        """The address of the results comes from the job's name, not from the server."""
        counts, words = object_in(job, "request_counts"), str(job.get("processing_status"))
        ended = words == "ended"
        done = sum(whole_number(n) for name, n in counts.items() if name != "processing")
        path = f"{self.jobs}/{self.id_of(job)}/results"
        archived = job.get("archived_at")
        return JobState(
            words=words,
            ended=ended,
            done=done,
            results=(path,) if ended and not archived else (),
            reason="its results are kept for 29 days, and these have passed" if archived else "",
        )

    def outcome(self, line: dict[str, Any]) -> RowOutcome:
        """Succeeded, errored, expired or cancelled."""
        name, result = str(line.get("custom_id")), object_in(line, "result")
        kind = str(result.get("type"))
        if kind == "succeeded":
            return RowOutcome(name, reply=result.get("message"))
        return RowOutcome(name, error=_UNANSWERED.get(kind) or words_in(result.get("error")))

    def is_of(self, job: dict[str, Any], ticket: JobTicket) -> bool:
        """A wrong guess costs time only: its rows have other names, and these questions are asked again."""
        total = sum(map(whole_number, object_in(job, "request_counts").values()))
        try:
            made = datetime.fromisoformat(str(job.get("created_at"))).timestamp()
        except ValueError:
            return False
        known = job.get("id") in ticket.others
        return not known and total == ticket.rows and made >= ticket.made - _CLOCKS

    def next_page(self, page: dict[str, Any]) -> str:
        """Newest first."""
        jobs = members(page, self.listed)
        return f"after_id={self.id_of(jobs[-1])}" if page.get("has_more") and jobs else ""


ANTHROPIC_BATCH = AnthropicBatch()
