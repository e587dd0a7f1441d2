"""Where `vlmbench run` writes: one folder a model, none shared, none lost; the board shows the same names."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from vlmbench.api.run.names import folder_below_runs, run_name
from vlmbench.cli.main import main

BENCH = "Shapes_DEV_EN"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def answered(name: str, model: str, bench: str = BENCH) -> None:
    """A run of that model, as its run.json tells it."""
    folder = Path("runs", name, bench)
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"spec": {"model": model}}), "utf-8")


def trained(*paths: str) -> None:
    for path in paths:
        Path(path).mkdir(parents=True)


def test_trainings_that_all_end_in_model_have_folders_of_their_own() -> None:
    trained("work/a/model", "work/b/model")
    assert [run_name(f"work/{run}/model") for run in "ab"] == ["a", "b"]


def test_a_name_that_another_model_has_is_made_longer_for_every_benchmark() -> None:
    trained("x/seed1/model", "y/seed1/model")
    answered("seed1", "x/seed1/model")
    assert run_name("x/seed1/model") == run_name(str(Path("x/seed1/model").absolute())) == "seed1"
    assert folder_below_runs("y/seed1/model", None, "CCBench") == Path("runs/y/seed1/CCBench")


def test_answers_set_aside_keep_no_name() -> None:
    trained("x/seed1/model", "y/seed1/model")
    answered("seed1", "x/seed1/model", f"{BENCH}.old-1")
    assert run_name("y/seed1/model") == "seed1"


def test_a_model_that_was_moved_keeps_its_name() -> None:
    trained("archive/old/seed1/model")
    answered("seed1", "work/old/seed1/model")
    assert run_name("archive/old/seed1/model") == "seed1"


def test_the_folder_of_an_earlier_version_is_continued_by_its_own_model_only() -> None:
    trained("work/a/model", "work/b/model")
    answered("model", "work/a/model")
    assert folder_below_runs("work/a/model", None, BENCH) == Path("runs/model", BENCH)
    assert folder_below_runs("work/b/model", None, BENCH) == Path("runs/b", BENCH)
    assert folder_below_runs("work/a/model", "mine", BENCH) == Path("runs/mine", BENCH)


@pytest.mark.parametrize("name", ["../up", "/etc", "a//b", "", ".", "a\\b"])
def test_a_name_that_could_leave_runs_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "echo:B", "--bench", BENCH, "--name", name]) == 2
    assert "cannot name a run" in capsys.readouterr().err


def test_a_given_name_is_that_of_folder_results_and_board(capsys: pytest.CaptureFixture[str]) -> None:
    run = ["run", "--bench", BENCH, "--limit", "3", "--name", "team/bee"]
    assert main([*run, "--model", "echo:B"]) == 0
    assert f"{BENCH} · team/bee" in capsys.readouterr().out
    assert main([*run, "--model", "echo:C"]) == 1
    assert "the answers of another model, `echo:B`. Add `--name NAME`" in capsys.readouterr().err
    assert main([*run, "--model", "echo:C", "--fresh"]) == 0
    assert f"the earlier answers are now in runs/team/bee/{BENCH}.old-1" in capsys.readouterr().err
    shutil.copytree("runs/team/bee", "elsewhere")
    assert main(["leaderboard", "build", "--runs", "runs", "--out", "board", "--no-published"]) == 0
    board = json.loads(Path("board/leaderboard.json").read_text("utf-8"))
    assert [(apart["model"], apart["folder"]) for apart in board["apart"]] == [
        ("team/bee", f"team/bee/{BENCH}")
    ]
    assert (
        json.loads(Path("elsewhere", f"{BENCH}.old-1", "run.json").read_text())["spec"]["model"] == "echo:B"
    )
