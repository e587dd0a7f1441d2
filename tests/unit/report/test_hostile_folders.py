"""Run folders that a stranger made are refused by name: no traceback, no hang, no file written elsewhere."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cli.main import main
from vlmbench.domain import Response
from vlmbench.engine.batch_record import read_jobs
from vlmbench.engine.judge_log import JudgeLog
from vlmbench.engine.status import read_status
from vlmbench.errors import RunFolderError, UserError
from vlmbench.report.gain import gain_of
from vlmbench.report.runs import open_run
from vlmbench.store import RunFolder

WRONG: tuple[Any, ...] = ({"a": 1}, [1], 10**400, True, None, "text", -1.5)
FILES = (
    "run.json",
    "responses.jsonl",
    "scores.jsonl",
    "results.json",
    "pictures.jsonl",
    "picture_tokens.jsonl",
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "echo" / "Shapes_DEV_EN"
    command = ["run", "--model", "echo:B", "--bench", "Shapes_DEV_EN", "--limit", "3", "--out", str(folder)]
    assert main(command) == 0
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "runs" / "run")


def read_all(folder: Path) -> None:
    """Everything that a board, a page and a comparison read."""
    from vlmbench.report.page.compose import page_of_runs

    run = open_run(folder)
    assert run.passes
    assert run.responses is not None
    assert run.questions.samples is not None
    page_of_runs([run])


def changed(value: Any) -> Iterator[Any]:
    """The document with one of its values replaced, at each place in turn down to the second level."""
    for key, old in value.items() if isinstance(value, dict) else ():
        for wrong in WRONG:
            yield {**value, key: wrong}
        if isinstance(old, dict):
            yield from ({**value, key: inner} for inner in list(changed(old))[:60])


@pytest.mark.parametrize("name", ["responses.jsonl", "scores.jsonl", "pictures.jsonl"])
def test_a_field_of_another_type_is_refused_with_its_file_and_line(folder: Path, name: str) -> None:
    file = folder / name
    first, *rest = file.read_text("utf-8").splitlines()
    if not rest:
        rest = [first]
    for document in changed(json.loads(first)):
        file.write_text("\n".join([json.dumps(document), *rest]) + "\n", "utf-8")
        with suppress(UserError):
            read_all(folder)


def test_an_id_that_is_an_object_is_named(folder: Path) -> None:
    file = folder / "responses.jsonl"
    lines = file.read_text("utf-8").splitlines()
    lines[1] = json.dumps(json.loads(lines[1]) | {"id": {"a": 1}})
    file.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(RunFolderError, match=r"responses.jsonl, row 2: .*`id` is an object, not a text"):
        assert open_run(folder).responses


@pytest.mark.parametrize("name", ["run.json", "results.json"])
def test_a_document_with_a_wrong_value_is_read_or_refused(folder: Path, name: str) -> None:
    file = folder / name
    whole = json.loads(file.read_text("utf-8"))
    for document in list(changed(whole))[::3]:
        file.write_text(json.dumps(document), "utf-8")
        with suppress(UserError):
            open_run(folder)


def test_status_leaves_out_what_is_damaged(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    worker = {"worker": 1, "state": "answering", "done": 1, "errors": 0, "in_hand": 0, "replaced": 0}
    worker |= {"quiet_seconds": 1.0, "host": "a", "pid": 3}
    found = {"total": "many", "done": {"a": 1}, "stage": 3, "workers": [worker, 7, worker | {"done": "x"}]}
    (folder / "status.json").write_text(json.dumps(found), "utf-8")
    status = read_status(folder)
    assert status is not None
    assert (status.total, status.done, status.stage, status.workers) == (0, 0, "", (worker,))
    assert main(["status", str(folder), "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"] == 11


@pytest.mark.parametrize("line", ["[" * 100_000, '{"key": 3}', '{"key": "a", "sample": {}, "reply": 1}', "7"])
def test_a_damaged_line_of_a_judge_or_a_batch_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "judge.jsonl").write_text(line + "\n", "utf-8")
    with pytest.raises(RunFolderError, match=r"judge.jsonl, row 1"):
        JudgeLog(tmp_path / "judge.jsonl", "echo", {})
    (tmp_path / "batch.json").write_text('{"jobs": [' + line + "]}", "utf-8")
    with pytest.raises(RunFolderError, match=r"batch.json"):
        read_jobs(tmp_path)


@pytest.mark.parametrize("name", FILES)
def test_one_bad_folder_does_not_stop_a_board(finished: Path, folder: Path, name: str) -> None:
    bad = folder
    good = shutil.copytree(finished, bad.parent / "good")
    assert good.is_dir()
    (bad / name).write_bytes(b"[" * 100_000 + b"\n{}\n")
    out = bad.parent.parent / "board"
    assert main(["leaderboard", "build", "--runs", str(bad.parent), "--out", str(out)]) in (0, 1)
    assert "echo" in (out / "index.html").read_text("utf-8")


@pytest.mark.parametrize("name", ["run.lock", "responses.jsonl", "run.json", "libraries.log"])
@pytest.mark.parametrize("there", [True, False])
def test_nothing_is_written_through_a_link(tmp_path: Path, name: str, there: bool) -> None:
    victim, run = tmp_path / "mine.txt", tmp_path / "run"
    if there:
        victim.write_text("mine", "utf-8")
    run.mkdir()
    (run / name).symlink_to(victim)
    main(["run", "--model", "echo", "--bench", "Shapes_DEV_EN", "--limit", "2", "--out", str(run)])
    assert victim.exists() == there
    assert not there or victim.read_text("utf-8") == "mine"


@pytest.mark.parametrize("name", ["run.json", "results.json", "responses.jsonl", "scores.jsonl", "run.lock"])
def test_a_pipe_is_refused_by_name_and_never_read(
    finished: Path, folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)
    codes = [main(["compare", str(finished), str(folder)]), main(["status", str(folder)])]
    assert any(codes) or name in ("results.json", "scores.jsonl")
    assert f"{name}: this is a pipe, not a regular file." in capsys.readouterr().err


def test_a_folder_of_runs_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "runs").symlink_to(tmp_path / "disk")
    with RunFolder(tmp_path / "runs" / "a") as folder:
        folder.append(Response(id="1", text="A", finish="stop"))
    assert (tmp_path / "disk" / "a" / "responses.jsonl").stat().st_size


def test_a_damaged_results_file_has_no_gain(folder: Path) -> None:
    blind = shutil.copytree(folder, folder.with_name("run-blind"))
    for text in ("{}", "[]", '{"headline": 3}'):
        (blind / "results.json").write_text(text, "utf-8")
        assert gain_of(folder) is None


def test_a_damaged_run_json_keeps_every_answer(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answers = (folder / "responses.jsonl").read_bytes()
    (folder / "run.json").write_text("{", "utf-8")
    command = ["run", "--model", "echo:B", "--bench", "Shapes_DEV_EN", "--limit", "3", "--out", str(folder)]
    assert main(command) == 1
    assert "Correct it there" in capsys.readouterr().err
    assert (folder / "responses.jsonl").read_bytes() == answers
    assert main([*command, "--fresh"]) == 0
    assert (folder.with_name("run.old-1") / "responses.jsonl").read_bytes() == answers
