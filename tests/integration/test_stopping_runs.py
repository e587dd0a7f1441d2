"""Ctrl-C in a run: of a server, and of a model in this process. The same command continues."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from chat_server import chat_server

from vlmbench.cli.main import main


def lines(out: Path) -> list[dict[str, Any]]:
    file = out / "responses.jsonl"
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []


def stopped_and_continued(model: str, out: Path, *more: str) -> None:
    argv = ["run", "--model", model, "--bench", "Shapes_DEV_EN", "--out", str(out), *more]
    command = [sys.executable, "-m", "vlmbench", *argv]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        end = time.monotonic() + 300
        while not lines(out) and run.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        run.send_signal(signal.SIGINT)
        pressed = time.monotonic()
        said = run.communicate(timeout=120)[1]
    assert run.returncode == 130, said
    assert time.monotonic() - pressed < 15  # five, and a machine that does other things as well
    assert "Every answer so far is kept" in said
    assert "Traceback" not in said
    kept = {line["id"]: line for line in lines(out)}
    assert kept
    assert main(argv) == 0
    whole = {line["id"]: line for line in lines(out)}
    assert len(kept) < len(whole)
    assert kept.items() <= whole.items()


@pytest.mark.slow
def test_a_run_of_a_server_is_stopped_and_continues(tmp_path: Path) -> None:
    def slowly(_body: dict[str, Any], _before: int) -> str:
        time.sleep(0.1)
        return "A"

    with chat_server(slowly) as server:
        stopped_and_continued(server.spec, tmp_path / "run", "--limit", "30", "--concurrency", "4")


@pytest.mark.slow
def test_a_run_of_a_model_in_this_process_is_stopped_and_continues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tests run side by side, and torch would take every core for each of them.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    few = ("--limit", "40", "--batch-size", "1", "--max-new-tokens", "4", "--device", "cpu")
    stopped_and_continued("demo", tmp_path / "run", *few)


@pytest.mark.parametrize("model", ["nosuch", "./nosuch", "openai:m@http://127.0.0.1:9/v1"])
def test_a_model_that_cannot_be_opened_leaves_no_folder_behind(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("vlmbench.models.servers.client.Patience.wait", lambda *_: 0.0)
    assert main(["run", "--model", model, "--bench", "Shapes_DEV_EN", "Shapes_DEV_CN"]) in (1, 2)
    assert list(tmp_path.iterdir()) == []
