"""A run whose questions go to the server as batch jobs, which outlive the run that made them.

    asked = BatchedModel(model, folder, progress, fresh=False, again="vlmbench run …")
    for response in asked.generate(requests, images): …

Every job is in batch.json before it is made and until its results are read. A sitting first takes up the jobs
that are there, then sends the questions that are in none.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from time import sleep
from typing import Any

from vlmbench.domain import ImageSource, Model, Request, Response
from vlmbench.engine.batch_record import BATCH, BatchJob, count_of, read_jobs, write_jobs
from vlmbench.engine.status import RunProgress
from vlmbench.errors import ModelError
from vlmbench.models.servers.batch.interface import JobState, JobTicket
from vlmbench.models.servers.batch.jobs import JobRefused, Package, open_jobs
from vlmbench.store import RunFolder, disk_error

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between two questions how far the jobs are; each pause is half as long again as the one before."""


class JobsSent(Exception):
    """The jobs are made, and nobody waits for them now."""


class BatchedModel:
    """A served model, asked in batch jobs; refused where its interface has none."""

    def __init__(
        self,
        model: Model,
        folder: RunFolder,
        progress: RunProgress,
        *,
        fresh: bool,
        again: str,
        wait: bool = True,
    ) -> None:
        """`fresh` cancels the jobs of before; `again` is the command that takes jobs up.

        Without `wait`, `generate` makes the jobs and raises JobsSent.
        """
        self._model, self._jobs = model, open_jobs(model)
        self._folder, self._progress = folder, progress
        self._fresh, self._again, self._wait = fresh, again, wait
        self._record: list[BatchJob] = []

    @property
    def name(self) -> str:
        """The model's."""
        return self._model.name

    @property
    def style(self) -> str:
        """The model's."""
        return self._model.style

    @property
    def facts(self) -> Mapping[str, Any]:
        """The model's: an answer is the same however it was asked for."""
        return self._model.facts

    def render(self, request: Request) -> str:
        """As the model has it."""
        return self._model.render(request)

    def generate(self, requests: Iterable[Request], images: ImageSource) -> Iterator[Response]:
        """Answers as their jobs end, in the order of the server's files."""
        asked = {request.id: request for request in requests}
        with self._jobs:
            self._jobs.check()
            self._record = read_jobs(self._folder.path)
            self._take_up()
            if self._fresh:
                self._record = []
            under_way = {row for job in self._open() for row in job.rows}
            try:
                waiting = [request for i, request in asked.items() if i not in under_way]
                refused = yield from self._send(waiting, images)
                if self._wait:
                    yield from self._collect(asked)
                    if refused is not None:
                        raise refused
            except OSError as error:
                self._say_what_stays()
                raise disk_error(self._folder.path, error) from error
            except BaseException:
                self._say_what_stays()
                raise
        if not self._wait:
            raise JobsSent("its batch jobs are made; other benchmarks are sent first")

    def _open(self) -> list[BatchJob]:
        return [job for job in self._record if not job.read]

    def _note(self, job: BatchJob) -> None:
        """Write a job down, in place of what was known of it."""
        known = {noted.key: noted for noted in self._record}
        if known.get(job.key) != job:
            self._record = [*(known | {job.key: job}).values()]
            write_jobs(self._folder.path, self._record)

    def _take_up(self) -> None:
        """Find the ids of jobs that were being made when a sitting ended, and cancel all in a fresh run."""
        for job in self._open():
            found = job.id or self._jobs.find(_ticket(job, self._record))
            if found and self._fresh:
                self._jobs.cancel(found)
                self._progress.say(f"asked the server to cancel batch job {found}")
            if not found or self._fresh:
                self._record.remove(job)
                write_jobs(self._folder.path, self._record)
            else:
                self._note(replace(job, id=found))
        if jobs := self._open():
            self._progress.say(f"takes up {_described(jobs)}")

    def _send(
        self, requests: Sequence[Request], images: ImageSource
    ) -> Generator[Response, None, ModelError | None]:
        """Make jobs of these; where the server takes no more of them, why: those that it has go first."""
        for package in self._jobs.packages(requests, images, self._folder.path):
            if isinstance(package, Response):
                yield package
                continue
            try:
                self._make(package)
            except ModelError as error:
                if not any(job.id for job in self._open()):
                    raise
                self._progress.say(f"{error} First the jobs that are there.")
                return error
        return None

    def _make(self, package: Package) -> None:
        ticket = package.ticket
        job = BatchJob(key=ticket.key, path=ticket.path, made=ticket.made, rows=tuple(package.rows))
        self._note(job)  # before the job exists: nothing is paid that is not written down
        try:
            made = self._jobs.create(package, _others(job, self._record))
        except JobRefused:
            self._record.remove(job)
            write_jobs(self._folder.path, self._record)
            raise
        self._note(replace(job, id=made))
        self._progress.say(f"sent {len(job.rows):,} questions as batch job {made}")

    def _collect(self, asked: Mapping[str, Request]) -> Iterator[Response]:
        pause, last = FIRST_PAUSE, ""
        while jobs := [job for job in self._open() if job.id is not None]:
            for job in jobs:
                state = self._jobs.state(str(job.id))
                job = replace(job, state=state.words, done=min(state.done, len(job.rows)))
                self._note(job)
                if state.ended:
                    yield from self._read(job, state, asked)
                    self._note(replace(job, done=len(job.rows), read=True))
            if jobs := [job for job in self._open() if job.id is not None]:
                if (now := _described(jobs)) != last:
                    self._progress.say(f"waiting for {now}")
                    last = now
                sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE)

    def _read(self, job: BatchJob, state: JobState, asked: Mapping[str, Request]) -> Iterator[Response]:
        """A job's answers, each row's first; a row without one is asked again by the next sitting."""
        names = {f"{job.key}-{number}": row for number, row in enumerate(job.rows)}
        unread, strange = dict.fromkeys(job.rows), 0
        for outcome in self._jobs.results(state, self._folder.path):
            row = names.get(outcome.row)
            if row is None:
                strange += 1
            elif row in unread:
                del unread[row]
                yield from self._delivered(self._jobs.response(row, outcome), asked)
        if strange:
            self._progress.say(
                f"batch job {job.id}: {strange:,} lines name no question of it and are left out"
            )
        ended = (
            f"the batch job {job.id} has ended ({state.words}{f': {state.reason}' if state.reason else ''})"
        )
        for row in unread:
            missing = Response(
                id=row, text="", finish="error", error=f"{ended} without an answer to this row"
            )
            yield from self._delivered(missing, asked)

    def _delivered(self, response: Response, asked: Mapping[str, Request]) -> Iterator[Response]:
        """An answer that this sitting asks for. Any other (of a larger --limit) is kept for a later one."""
        if response.id in asked:
            yield response
        elif response.finish != "error" and response.id not in self._answered:
            self._folder.append(response)

    @cached_property
    def _answered(self) -> set[str]:
        return {i for i, response in self._folder.responses().items() if response.finish != "error"}

    def _say_what_stays(self) -> None:
        if jobs := self._open():
            self._progress.say(
                f"{_described(jobs)} stay at the server, which goes on and charges for them; "
                f"{BATCH} has their names, and this takes them up: {self._again}"
            )


def _described(jobs: Sequence[BatchJob]) -> str:
    done, rows = sum(job.done for job in jobs), sum(len(job.rows) for job in jobs)
    states = ", ".join(dict.fromkeys(job.state or "new" for job in jobs))
    return f"{count_of(jobs)}, {done:,} of {rows:,} questions done ({states})"


def _others(job: BatchJob, record: Iterable[BatchJob]) -> list[str]:
    return [other.id for other in record if other.id is not None and other.key != job.key]


def _ticket(job: BatchJob, record: Iterable[BatchJob]) -> JobTicket:
    others = frozenset(_others(job, record))
    return JobTicket(key=job.key, path=job.path, rows=len(job.rows), made=job.made, others=others)
