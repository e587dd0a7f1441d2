"""`vlmbench status`: a live run, a dead one, a finished one, and folders that are no runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cli.main import main
from vlmbench.domain import Response, RunSpec
from vlmbench.engine.status import SilentProgress, StatusFile
from vlmbench.store import STATUS, RunFolder

SPEC = RunSpec(model="echo", benchmark="Shapes_DEV_EN", style="vlmevalkit")
WORKER = {
    "worker": 0, "state": "answering", "host": "node7", "pid": 4711, "done": 2, "errors": 1, "in_hand": 8,
    "quiet_seconds": 0.4, "replaced": 3, "reason": "its machine is gone",
}  # fmt: skip


class Crew:
    def workers(self) -> list[dict[str, Any]]:
        return [WORKER]


def answer(folder: RunFolder, status: StatusFile, count: int, errors: int = 0) -> None:
    for i in range(count):
        wrong = i < errors
        response = Response(
            id=str(i), text="", finish="error" if wrong else "stop", error="no picture" if wrong else None
        )
        folder.append(response)
        status.advance(response)


def shown(run: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert main(["status", str(run), "--format", "json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def wait_until_written(run: Path, done: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if (run / STATUS).exists() and json.loads((run / STATUS).read_text("utf-8"))["done"] >= done:
            return
        time.sleep(0.01)
    raise AssertionError("the status file was not written")


def test_a_live_run_tells_its_progress_errors_and_workers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunFolder(tmp_path) as folder, StatusFile(tmp_path, SilentProgress(), every=0.02) as status:
        folder.lock_to(SPEC, {}, {})
        status.of(Crew())
        status.begin(10, 0)
        answer(folder, status, 4, errors=1)
        wait_until_written(tmp_path, 4)
        document = shown(tmp_path, capsys)
        assert main(["status", str(tmp_path)]) == 0
        table = capsys.readouterr().out
    assert (document["state"], document["alive"]) == ("answering", True)
    assert (document["done"], document["total"], document["errors"]) == (3, 10, 1)
    assert document["reasons"] == [{"error": "no picture", "rows": 1}]
    assert document["workers"] == [WORKER]
    assert all(word in table for word in ("3 of 10", "node7:4711", "no picture"))


def test_a_run_is_loading_before_it_has_a_run_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with RunFolder(tmp_path), StatusFile(tmp_path, SilentProgress(), every=0.02):
        wait_until_written(tmp_path, 0)
        assert shown(tmp_path, capsys)["state"] == "loading"


def test_a_run_whose_process_died_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with RunFolder(tmp_path) as folder, StatusFile(tmp_path, SilentProgress(), every=0.02) as status:
        folder.lock_to(SPEC, {}, {})
        status.begin(10, 0)
        answer(folder, status, 4)
        wait_until_written(tmp_path, 4)
        left_behind = (tmp_path / STATUS).read_text("utf-8")
    (tmp_path / STATUS).write_text(left_behind, "utf-8")
    document = shown(tmp_path, capsys)
    assert document["alive"] is False
    assert "died while answering" in document["state"]
    assert document["done"] == 4
    assert document["rows_per_second"] is None


def test_a_finished_run_and_a_failed_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", "2", "--out", str(tmp_path)])
        == 0
    )
    document = shown(tmp_path, capsys)
    assert (document["state"], document["errors"]) == ("finished", 0)
    assert document["done"] == document["total"] > 0
    with pytest.raises(OSError, match="no space"), StatusFile(tmp_path, SilentProgress()):
        raise OSError("no space")
    assert shown(tmp_path, capsys)["state"] == "stopped: no space"


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    wrong = {tmp_path: "not a run folder", tmp_path / "file": "not a run folder"}
    for path, reason in {**wrong, tmp_path / "missing": "there is no such folder"}.items():
        assert main(["status", str(path)]) == 2
        assert reason in (said := capsys.readouterr().err)
        assert "--fresh" not in said


def test_a_run_without_a_status_file_is_counted_from_its_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", "2", "--out", str(tmp_path)])
    (tmp_path / STATUS).unlink()
    document = shown(tmp_path, capsys)
    assert document["state"] == "not running"
    assert document["done"] == document["total"]


def test_looking_takes_nothing_from_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", "2", "--out", str(tmp_path)])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    shown(tmp_path, capsys)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_mistake_in_the_status_file_is_said_once_and_ends_neither_it_nor_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        broken = True

        def workers(self) -> list[dict[str, Any]]:
            if self.broken:
                raise RuntimeError("changed size during iteration")
            return []

    crew, remarks = Broken(), Remarks()
    with StatusFile(tmp_path, remarks, every=0.01) as status:
        status.of(crew)
        time.sleep(0.1)
        crew.broken = False
        status.begin(3, 2)
        wait_until_written(tmp_path, 2)
    assert len(remarks.said) == 1
    assert "changed size" in remarks.said[0]


class Remarks(SilentProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def test_watching_through_a_pipe_tells_each_second_and_may_be_stopped(tmp_path: Path) -> None:
    with RunFolder(tmp_path) as folder, StatusFile(tmp_path, SilentProgress(), every=0.02) as status:
        folder.lock_to(SPEC, {}, {})
        status.begin(10, 0)
        answer(folder, status, 4)
        wait_until_written(tmp_path, 4)
        command = [sys.executable, "-m", "vlmbench", "status", str(tmp_path), "--watch"]
        watching = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert watching.stdout is not None
        lines = [watching.stdout.readline() for _ in range(2)]
        watching.send_signal(signal.SIGINT)
        said = watching.communicate(timeout=60)[1]
    assert all("answered 4 of 10 (40%)" in line for line in lines)
    assert (watching.returncode, said) == (130, "")
