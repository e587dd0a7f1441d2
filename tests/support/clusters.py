"""Runs with several workers, watched and hurt from outside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vlmbench.cli.main import main
from vlmbench.engine.status import STATUS

BENCH = "Shapes_DEV_EN"


def command(out: Path, *more: str, model: str = "echo:B", bench: tuple[str, ...] = (BENCH,)) -> list[str]:
    return ["run", "--model", model, "--bench", *bench, "--out", str(out), *more]


def run(out: Path, *more: str, model: str = "echo:B", bench: tuple[str, ...] = (BENCH,)) -> int:
    return main(command(out, *more, model=model, bench=bench))


def start(out: Path, *more: str, model: str = "echo:B", **env: str) -> subprocess.Popen[str]:
    """A run in a process group of its own, as a terminal would start it."""
    return subprocess.Popen(
        [sys.executable, "-m", "vlmbench", *command(out, *more, model=model)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **env},
        start_new_session=True,
    )


def finished_files(out: Path) -> dict[str, Any]:
    """The files two equal runs share, without what a clock wrote."""
    lines = (out / "responses.jsonl").read_text("utf-8").splitlines()
    answers = [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]
    names = ("scores.jsonl", "predictions.xlsx", "mmbench_result.xlsx")
    return {name: (out / name).read_bytes() for name in names} | {"answers": answers}


def answers(out: Path) -> list[dict[str, Any]]:
    """Every whole line of the answers so far."""
    if not (out / "responses.jsonl").exists():
        return []
    text = (out / "responses.jsonl").read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def told(out: Path) -> dict[str, Any]:
    """The last status written; empty before the first."""
    try:
        document: dict[str, Any] = json.loads((out / STATUS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return document


def wait_until(true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if true():
            return
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come")


def worker_in(out: Path, state: str) -> int | None:
    """The process of a worker that is in this state."""
    return next((w["pid"] for w in told(out).get("workers", []) if w["state"] == state and w["pid"]), None)


@contextlib.contextmanager
def killing(out: Path, state: str) -> Iterator[list[int]]:
    """SIGKILL the first worker seen in this state, from beside."""
    killed: list[int] = []
    over = threading.Event()

    def look() -> None:
        while not over.is_set() and not killed:
            if (pid := worker_in(out, state)) is not None:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
            time.sleep(0.02)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def alive_in_session(session: int) -> list[str]:
    """Processes that a run in this session left behind, by name."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = stat.read_text("utf-8", "replace")
            state, _, _, in_session = text.rpartition(")")[2].split()[:4]
            if int(in_session) == session and state != "Z":
                found.append(text[text.find("(") + 1 : text.rfind(")")])
    return found
