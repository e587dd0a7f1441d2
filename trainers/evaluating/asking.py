"""Evaluation in a process of its own: `vlmbench run`, which resumes by itself.

While training goes on, candidates are asked one after the other by one thread that waits for such processes.
What it did not finish is asked again at the end; answers that are there are kept.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from .nouns import Candidate

LOG = "evaluation.log"
_TORCHRUN = ("TORCHELASTIC_", "GROUP_", "ROLE_", "MASTER_")
_RANKS = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What every candidate is asked."""

    benchmarks: tuple[str, ...]
    limit: int | None = None
    flags: tuple[str, ...] = ()
    """More words for `vlmbench run`."""

    def command(self, candidate: Candidate, benchmark: str) -> list[str]:
        """The command that asks it."""
        command = [sys.executable, "-m", "vlmbench", "run", "--model", str(candidate.model)]
        command += ["--bench", benchmark, "--out", str(candidate.run(benchmark)), *self.flags]
        return command if self.limit is None else [*command, "--limit", str(self.limit)]


def ask(question: Question, candidate: Candidate, benchmark: str, log: Path | None = None) -> int:
    """Ask and wait; says the exit code. Without a log, what it tells goes to stderr."""
    command, environ = question.command(candidate, benchmark), alone(os.environ)
    if log is None:
        return subprocess.run(command, env=environ, stdout=2, check=False).returncode  # noqa: S603
    with log.open("ab") as file:
        done = subprocess.run(command, env=environ, stdout=file, stderr=file, check=False)  # noqa: S603
    return done.returncode


def alone(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what makes a process one of a distributed run."""
    return {
        name: value
        for name, value in environ.items()
        if name not in _RANKS and not name.startswith(_TORCHRUN)
    }


class Asker:
    """Asks candidates one after the other, beside the training."""

    def __init__(self, question: Question, log: Path) -> None:
        self._question, self._log = question, log
        self._waiting: queue.Queue[Candidate | None] = queue.Queue()
        self._thread: threading.Thread | None = None

    def add(self, candidate: Candidate) -> None:
        """Ask it as soon as those before it are done."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()
        self._waiting.put(candidate)

    def wait(self) -> None:
        """Return once everything was asked; what failed is asked again by whoever needs it."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while (candidate := self._waiting.get()) is not None:
            for benchmark in self._question.benchmarks:
                ask(self._question, candidate, benchmark, self._log)
