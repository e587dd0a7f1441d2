"""A training that was stopped goes on: from which checkpoint, with which data and values, in which folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_trainings import settings, write_records

from vlmbench.cli.main import main
from vlmbench.trainers.training.checkpoints import whole

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(tiny_model: Callable[[str], Path], tmp_path: Path) -> Callable[..., int]:
    """`vlmbench train`, four steps with a checkpoint at two and four."""
    sets = settings(tiny_model("llava"), write_records(tmp_path / "data"), "schedule.max_steps=4")

    def run(*words: str, recipe: str = "demo_lora") -> int:
        return main(["train", recipe, *(word for one in sets for word in ("--set", one)), *words])

    return run


def stopped(work_dir: Path) -> None:
    """As a run leaves it that was killed after its second step."""
    for gone in ("model", "checkpoint-4", "finished.json"):
        path = work_dir / gone
        path.unlink() if path.is_file() else shutil.rmtree(path)


def names(work_dir: Path) -> list[str]:
    return [folder.name for folder in whole(work_dir)]


def test_a_checkpoint_is_gone_on_from_whatever_way_leads_there(
    command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command("--work-dir", "w1") == 0
    (tmp_path / "link").symlink_to("w1")
    for way in ("link/checkpoint-2", "home/../w1/checkpoint-2"):
        stopped(tmp_path / "w1")
        capfd.readouterr()
        assert command("--work-dir", "w1", "--resume", way) == 0
        assert "4 steps, 2 of them done before" in capfd.readouterr().err

    assert command("--work-dir", "other", "--resume", "w1/checkpoint-2") == 1
    told = capfd.readouterr().err
    assert "w1/checkpoint-2: is no checkpoint of this training, which keeps its own in other" in told
    assert "--work-dir w1 goes on where it is" in told
    assert not (tmp_path / "other").exists()
