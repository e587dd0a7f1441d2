"""What a batch interface is: many requests as one job, answered within a day at half the price.

A job is one file of rows. The server's names for files and jobs become parts of a path, so they are checked.
What it says of a job is read with bounds.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from vlmbench.files.json_files import line_object

if TYPE_CHECKING:
    from vlmbench.models.servers.batch.client import BatchClient

MEGABYTE = 1_000_000
MOST_OF_REPLY = 32 * MEGABYTE
"""Gemini's jobs hold their results."""
LONGEST_LINE = 16 * MEGABYTE
"""A longer line of results is no answer: 32,768 tokens are less than one megabyte."""
_ID = re.compile(r"[\w.-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTicket:
    """What is noted of a job before it exists, so that a job whose name got lost can be found again."""

    key: str
    """Drawn for this job: the server keeps it beside the job where it can, and it begins each row's name."""
    path: str
    """Where its requests would go one by one."""
    rows: int
    made: float
    """Unix time of this machine."""
    others: frozenset[str] = frozenset()
    """Jobs that belong to other tickets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobState:
    """What the server says of a job."""

    words: str
    """Its own name for the state."""
    ended: bool
    done: int
    """Rows that have an answer or an error; some servers count them at the end only."""
    results: tuple[str, ...] = ()
    """Paths of files with results, the answers before the errors."""
    reason: str = ""
    """Why the job as a whole failed."""


@dataclass(frozen=True, slots=True)
class RowOutcome:
    """One row of a job's results."""

    row: str
    """The name that the row was sent under; the server may send any."""
    reply: Any = None
    """As the same request alone would be answered; None: `error` says why there is none."""
    error: str = ""


class BatchInterface(ABC):
    """One server's batch interface. A job is at `jobs/ID`, and its list is at `jobs`."""

    most_rows: int
    most_bytes: int
    """Of one job's file."""
    jobs: str = "batches"
    listed: str = "data"
    """The jobs in a list."""
    page_size: str = "limit"
    """The query that says how many jobs a page of the list has."""
    cancelling: str = "/cancel"
    """What follows a job's path to cancel it."""

    @abstractmethod
    def frame(self, ticket: JobTicket) -> tuple[bytes, bytes, bytes]:
        """What stands before the rows of a file, between two and after the last."""

    @abstractmethod
    def row(self, name: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A request as a row of the file."""

    async def upload(self, client: BatchClient, file: IO[bytes], ticket: JobTicket) -> str:
        """Send the file ahead and return its name there; empty where it goes with the job."""
        return ""

    @abstractmethod
    async def create(self, client: BatchClient, file: IO[bytes], uploaded: str, ticket: JobTicket) -> Any:
        """Make the job and return what the server says of it."""

    @abstractmethod
    def state(self, job: dict[str, Any]) -> JobState:
        """The state in what the server says of a job."""

    @abstractmethod
    def outcome(self, line: dict[str, Any]) -> RowOutcome:
        """One line of a file of results."""

    @abstractmethod
    def is_of(self, job: dict[str, Any], ticket: JobTicket) -> bool:
        """Whether a job in the list is the ticket's."""

    @abstractmethod
    def next_page(self, page: dict[str, Any]) -> str:
        """The query of the list's next page, empty after the last one."""

    def id_of(self, job: dict[str, Any]) -> str:
        """The job's name; ValueError where that could be no part of a path."""
        return path_part(job.get("id"))

    def lines(self, file: IO[bytes]) -> Iterator[dict[str, Any]]:
        """The lines of a file of results; what is no object, or too long, is an empty one."""
        while line := file.readline(LONGEST_LINE):
            whole = line.endswith(b"\n") or len(line) < LONGEST_LINE
            while not whole:
                rest = file.readline(LONGEST_LINE)
                whole, line = rest.endswith(b"\n") or not rest, b"{}"
            if line.strip():
                yield line_object(line) or {}


def path_part(name: Any) -> str:
    """A server's name for a file or a job; ValueError where it is no single part of a path."""
    if not isinstance(name, str) or not _ID.fullmatch(name) or not name.strip("."):
        raise ValueError("the server's reply names no job or file")
    return name


def words_in(error: Any) -> str:
    """The words of an error in a row of results."""
    found = error if isinstance(error, dict) else {}
    inner = found["error"] if isinstance(found.get("error"), dict) else found
    return str(inner.get("message") or inner.get("code") or inner.get("type") or "no reason")


def whole_number(value: Any) -> int:
    """A count in a reply, which some servers send as text; 0 where it is none."""
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
