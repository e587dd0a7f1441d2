"""Batch jobs from the command line and Python: stopped, continued, refused, killed; the page's commands."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from batch_server import BatchServer, Turn, batch_server
from repository import ROOT

import vlmbench
from vlmbench.cli.main import main
from vlmbench.engine import batches
from vlmbench.engine.batch_record import BATCH, check_no_open_jobs, read_jobs

KINDS = ["openai", "responses", "anthropic", "gemini"]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "FIRST_PAUSE", 0.01)


def stopped(*_: object) -> None:
    raise KeyboardInterrupt


def run(server: BatchServer, out: Path, *more: str) -> int:
    bench = ("--bench", "Shapes_DEV_EN", "--limit", "6", "--out", str(out))
    return main(["run", "--model", server.model("openai"), *bench, *more])


def test_the_command_line_sends_jobs_and_takes_them_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    with batch_server(polls=2) as server:
        monkeypatch.setattr(sys, "argv", ["/bin/vlmbench", "run", "--batch", "--bench", "two words"])
        with monkeypatch.context() as patched:
            patched.setattr(batches, "sleep", stopped)
            assert run(server, out, "--batch") == 130
        said = capsys.readouterr().err
        assert "takes them up: vlmbench run --batch --bench 'two words'" in said
        assert main(["status", str(out)]) == 0
        assert "job0: in_progress, 1 of" in capsys.readouterr().out
        assert run(server, out) == 1
        assert "Add `--batch` to take them up" in capsys.readouterr().err
        assert run(server, out, "--batch") == 0
        assert main(["status", str(out), "--format", "json"]) == 0
        (job,) = json.loads(capsys.readouterr().out.partition("\n{")[2].join(["{", ""]))["batch_jobs"]
        assert job["read"]
        assert run(server, out) == 0
    assert len(server.jobs) == 1
    sittings = json.loads((out / "run.json").read_text("utf-8"))["sittings"]
    assert [sitting.get("batch") for sitting in sittings] == [True, True, None]
    assert (out / BATCH).exists()
    check_no_open_jobs(out, fresh=True)
    assert not (out / BATCH).exists()


def test_the_jobs_of_several_benchmarks_are_made_before_one_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ("--bench", "Shapes_DEV_EN", "Shapes_DEV_CN", "--limit", "2", "--out", str(tmp_path / "run"))
    with batch_server() as server:
        command = ["run", "--model", server.model("openai"), "--batch", "--fresh", *both]
        assert main(command) == 0
        waits = [path for method, path in server.asked if path.startswith("/v1/batches/job")]
        first = server.asked.index(("GET", waits[0]))
        assert server.asked[:first].count(("POST", "/v1/batches")) == 2
    assert len(server.jobs) == 2
    assert "stay at the server" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        ("echo", (), "for models of a server"),
        ("gemini:m", ("--rpm", "5"), "--rpm"),
        ("gemini:m", ("--batch-size", "5"), "--batch-size"),
        ("gemini:m", ("--concurrency", "5"), "--concurrency"),
    ],
)
def test_flags_that_contradict_batch_jobs_are_refused(
    model: str, more: tuple[str, ...], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv = ["run", "--model", model, "--bench", "Shapes_DEV_EN", "--out", str(tmp_path / "run"), "--batch"]
    assert main([*argv, *more]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.slow
def test_a_process_that_is_killed_while_a_job_is_made_pays_once(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with batch_server() as server:
        server.turns.append(Turn("POST", "/v1/batches", after=True, sleep=60))
        bench = ("--bench", "Shapes_DEV_EN", "--limit", "6", "--out", str(out), "--batch")
        command = [sys.executable, "-m", "vlmbench", "run", "--model", server.model("openai"), *bench]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as killed:
            end = time.monotonic() + 60
            while not server.jobs and killed.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            killed.send_signal(signal.SIGKILL)
        (job,) = read_jobs(out)
        assert job.id is None
        assert run(server, out, "--batch") == 0
    assert len(server.jobs) == 1


@pytest.mark.parametrize("page", ["asking.md", "asking.zh-CN.md"])
def test_the_commands_of_the_page_send_jobs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = (ROOT / "docs" / page).read_text("utf-8")
    commands = re.findall(r"^    vlmbench (run --model (\w+):\S+ --bench \S+ --batch)$", text, re.MULTILINE)
    assert [kind for _, kind in commands] == KINDS
    for command, kind in commands:
        with batch_server(kind) as server:
            here = re.sub(
                r"--model \S+ --bench \S+", f"--model {server.model(kind)} --bench Shapes_DEV_EN", command
            )
            assert main([*here.split(), "--limit", "2", "--out", kind]) == 0
        assert len(server.jobs) == 1


def test_python_sends_jobs_too_and_counts_their_tokens(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with batch_server() as server:
        model = server.model("openai")
        found = vlmbench.evaluate(
            model, "Shapes_DEV_EN", limit=2, out=out, batch=True, price=(1.0, 2.0), progress=False
        )
    assert found.complete
    (job,) = server.jobs
    usage = json.loads((out / "results.json").read_text("utf-8"))["usage"]
    assert usage["counted"] == len(job.rows)
    assert usage["cost"] == pytest.approx(len(job.rows) * (11 * 1.0 + 3 * 2.0) / 1e6)
