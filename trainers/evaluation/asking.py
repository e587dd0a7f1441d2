"""Evaluation of a candidate in processes of its own: `vlmbench run`, which resumes by itself.

During training one thread starts these processes, one candidate after the other; a candidate that is no model
yet becomes one in such a process, too. What is unfinished at the end of training is evaluated then.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vlmbench.trainers.evaluation.candidates import Candidate
from vlmbench.trainers.recipe.how_asked import HowAsked

INTERRUPTED = 130
GRACE = 5.0
"""Seconds that a process may take to end after SIGTERM."""
_TORCHRUN = ("TORCHELASTIC_", "GROUP_", "ROLE_", "MASTER_")
_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationTask:
    """The benchmarks of every candidate, and how their commands are written."""

    benchmarks: tuple[str, ...]
    limit: int | None = None
    flags: tuple[str, ...] = ()
    """More flags for `vlmbench run`."""
    how: HowAsked = field(default_factory=HowAsked)
    maker: tuple[str, ...] = ()
    """Arguments for Python that, with a step after them, make that checkpoint a model."""

    def commands(self, candidate: Candidate, benchmarks: Sequence[str]) -> Iterator[list[str]]:
        """One command makes it a model, unless it is one; then one for each benchmark."""
        if not candidate.before and not candidate.model.is_dir():
            yield [sys.executable, *self.maker, str(candidate.step)]
        for benchmark in benchmarks:
            yield self.command(candidate, benchmark)

    def command(self, candidate: Candidate, benchmark: str) -> list[str]:
        """The `vlmbench run` of one benchmark."""
        command = [sys.executable, "-m", "vlmbench", "run", "--model", str(candidate.model)]
        command += ["--bench", benchmark, "--out", str(candidate.run(benchmark)), *self.flags]
        command += self.how.flags
        return command if self.limit is None else [*command, "--limit", str(self.limit)]


def ask(command: Sequence[str], log: Path | None = None) -> int:
    """Run it with its output on stderr, or in the log; the exit code, 130 after Ctrl-C."""
    process = started(command, log)
    try:
        return code_of(process.wait())
    except KeyboardInterrupt:
        if stopped(process) != INTERRUPTED:
            raise
        return INTERRUPTED


def started(command: Sequence[str], log: Path | None = None) -> subprocess.Popen[bytes]:
    """Start it in a session of its own, so that Ctrl-C reaches only this process, which stops it in order."""
    if log is None:
        return _process(command, 2)
    with log.open("ab") as file:
        return _process(command, file.fileno())


def stopped(process: subprocess.Popen[bytes]) -> int:
    """Its exit code after SIGTERM, and after SIGKILL where it does not end in time."""
    process.terminate()
    try:
        return code_of(process.wait(GRACE))
    except subprocess.TimeoutExpired:
        process.kill()
        return code_of(process.wait())


def code_of(returned: int) -> int:
    """As a shell gives it: 128 plus the signal that killed it."""
    return 128 - returned if returned < 0 else returned


def alone(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what makes a process one of a distributed run."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _RANKS and not name.startswith(_TORCHRUN)
    }


def _process(command: Sequence[str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - our own command
        command,
        env=alone(os.environ),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )


class EvaluationQueue:
    """Evaluates candidates one after the other, while training goes on."""

    def __init__(self, question: EvaluationTask, log: Path) -> None:
        self._question, self._log = question, log
        self._waiting: queue.Queue[Candidate | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._ending = False
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, candidate: Candidate) -> None:
        """Evaluate it once those before it are done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._waiting.put(candidate)

    def wait(self) -> None:
        """Return once the queue is empty; what failed is evaluated again after training."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def stop(self) -> None:
        """Start nothing more and end the running process; finished answers stay."""
        with self._lock:
            self._ending = True
            process = self._process
        self._waiting.put(None)
        if process is not None:
            stopped(process)

    def _work(self) -> None:
        while (candidate := self._waiting.get()) is not None:
            for command in self._question.commands(candidate, self._question.benchmarks):
                with self._lock:
                    if self._ending:
                        return
                    self._process = started(command, self._log)
                self._process.wait()
