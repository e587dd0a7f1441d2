"""Ctrl-C in every part of a training that evaluates itself; the same command goes on from there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")]

SMALL = [
    word
    for setting in (
        "data.sources.0.samples=32",
        "schedule.batch=4",
        "schedule.max_steps=12",
        "schedule.epochs=3",
        "saving.every=2",
        "saving.sample=false",
    )
    for word in ("--set", setting)
]
ASKED = ["--eval", "Shapes_DEV_EN", "--eval-limit", "20"]


class Commands:
    """`vlmbench` as typed into a shell."""

    def __init__(self, home: Path) -> None:
        self._home, self.mark = home, uuid.uuid4().hex

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        environ = os.environ | {
            "VLMBENCH_HOME": str(self._home / "home"),
            "OMP_NUM_THREADS": "1",
            "STARTED_BY": self.mark,
        }
        with (self._home / "told").open("wb") as told:
            return subprocess.Popen(
                [sys.executable, "-m", "vlmbench", *words],
                stdin=subprocess.DEVNULL, stdout=told, stderr=told, env=environ, cwd=self._home,
                start_new_session=True,
            )  # fmt: skip

    def finished(self, *words: str) -> str:
        """Run to its end, which is a good one; what it told."""
        process = self.start(*words)
        assert process.wait(900) == 0, self.told()
        return self.told()

    def interrupted(self, when: Callable[[], bool], *words: str) -> str:
        """Ctrl-C, as a terminal sends it, at that moment; nothing is left but what it told."""
        process = self.start(*words)
        until(lambda: when() or process.poll() is not None)
        assert process.poll() is None, self.told()
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(60) == 130, self.told()
        until(lambda: not self.running(), seconds=30)
        assert "Traceback" not in self.told()
        assert self.told().count("stopped. Every") == 1
        return self.told()

    def told(self) -> str:
        return (self._home / "told").read_text("utf-8")

    def running(self) -> list[str]:
        """Every process that the commands started, and those that these started."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (process / "environ").read_bytes():
                    found.append((process / "cmdline").read_text("utf-8"))
            except OSError:
                continue
        return found


def until(there: Callable[[], bool], seconds: float = 900) -> None:
    deadline = time.monotonic() + seconds
    while not there():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.is_file() else []


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    return Commands(tmp_path)


def test_a_training_and_then_its_evaluation_are_stopped_and_gone_on_with(
    commands: Commands, tmp_path: Path
) -> None:
    command = ["train", "demo_lora", *SMALL, *ASKED, "--work-dir", "w"]
    told = commands.interrupted(lambda: (tmp_path / "w/checkpoint-2").is_dir(), *command)
    assert "the same command with --resume continues" in told
    command.append("--resume")
    answers = tmp_path / "w/runs/model/Shapes_DEV_EN/responses.jsonl"
    commands.interrupted(lambda: bool(lines(answers)), *command)
    kept = {line["id"]: line for line in lines(answers)}
    commands.finished(*command)
    assert kept.items() <= {line["id"]: line for line in lines(answers)}.items()
    log = lines(tmp_path / "w/metrics.jsonl")
    steps = [line["step"] for line in log if "loss" in line]
    assert [0, *steps] == sorted({line["step"] for line in log})  # 0: the model before training
    assert log[-1]["benchmark"] == "Shapes_DEV_EN"


def test_two_processes_that_ask_on_the_way_are_stopped_and_gone_on_with(
    commands: Commands, tmp_path: Path
) -> None:
    command = ["train", "demo_lora", *SMALL, *ASKED, "--eval-every", "8", "--nproc", "2", "--work-dir", "w"]
    work = tmp_path / "w"
    # The first checkpoint is kept and handed to a process of its own.
    told = commands.interrupted(lambda: asked(work), *command)
    assert "the same command with --resume continues" in told
    assert not (work / "model").exists()
    commands.finished(*command, "--resume")
    scores = [line["step"] for line in lines(work / "metrics.jsonl") if "benchmark" in line]
    assert scores == [0, 8, 12]
    assert [one["step"] for one in json.loads((work / "best.json").read_text())["candidates"]] == [8, 12]
    assert not list((work / "candidates").glob("trained-*"))


def asked(work: Path) -> bool:
    return (work / "candidates" / "trained-8").is_dir() or (work / "candidates" / "step-8").is_dir()


def test_the_demo_is_stopped_in_its_training_and_its_evaluation(commands: Commands, tmp_path: Path) -> None:
    command = ["demo", *SMALL, "--limit", "20"]
    trained = tmp_path / "runs/demo/trained"
    told = commands.interrupted(lambda: (trained / "checkpoint-2").is_dir(), *command)
    assert "the same command continues" in told
    answers = trained / "runs/model/Shapes_DUSK_EN/responses.jsonl"
    told = commands.interrupted(lambda: bool(lines(answers)), *command)
    assert "the same command continues" in told
    assert "by McNemar exact" in commands.finished(*command)
