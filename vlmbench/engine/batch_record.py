"""The batch jobs of a run: batch.json in its folder, in place at once after every change.

    jobs[].key      drawn and written before the job is made: by it a job whose id got lost is found
    jobs[].id       the server's name for it; null while it is being made
    jobs[].rows     ids of the requests in it, in the order of its file
    jobs[].state    the server's word for it; done: rows that have an answer or an error
    jobs[].read     its results are in responses.jsonl

No key of a server is in it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from vlmbench.errors import RunFolderError
from vlmbench.files.fields import WrongField, as_instance
from vlmbench.files.json_files import read_object
from vlmbench.files.regular import is_there
from vlmbench.store import write_json

BATCH = "batch.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchJob:
    """One job of a run."""

    key: str
    path: str
    made: float
    """Unix time."""
    rows: tuple[str, ...]
    id: str | None = None
    state: str = ""
    done: int = 0
    read: bool = False


def read_jobs(folder: Path) -> list[BatchJob]:
    """The jobs of a run, in the order in which they were made; none where there is no such file."""
    file = folder / BATCH
    if not is_there(file):
        return []
    fix = f"Delete {file} to have open questions asked anew; jobs under way are charged all the same."
    jobs = read_object(file, raises=RunFolderError, fix=fix, own=True).get("jobs")
    if not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        raise RunFolderError("it is damaged: `jobs` is not a list of objects.", file=file, fix=fix)
    try:
        return [as_instance(BatchJob, job) for job in jobs]
    except WrongField as wrong:
        raise RunFolderError(f"it is damaged: {wrong}.", file=file, fix=fix) from None


def write_jobs(folder: Path, jobs: Iterable[BatchJob]) -> None:
    """The whole file anew."""
    write_json(folder / BATCH, {"schema_version": 1, "jobs": [asdict(job) for job in jobs]})


def open_jobs_of(folder: Path) -> list[BatchJob]:
    """Jobs whose results are not read yet."""
    return [job for job in read_jobs(folder) if not job.read]


def check_no_open_jobs(folder: Path, *, fresh: bool = False) -> None:
    """Refuse to ask what a batch job is being paid for already. A fresh run forgets jobs that are read."""
    if jobs := open_jobs_of(folder):
        rows = sum(len(job.rows) for job in jobs)
        raise RunFolderError(
            f"{rows:,} questions of this run are in {count_of(jobs)} whose results are not read yet.",
            file=folder / BATCH,
            fix="Add `--batch` to take them up, and `--fresh` to cancel them; or delete the file to ask, and "
            "pay, once more.",
        )
    if fresh:
        (folder / BATCH).unlink(missing_ok=True)


def count_of(jobs: Iterable[BatchJob]) -> str:
    """So many batch jobs, in words."""
    number = len(list(jobs))
    return f"{number} batch job{'' if number == 1 else 's'}"
