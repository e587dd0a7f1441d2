"""A training that was stopped goes on: from which checkpoint, with which data and values, in which folder."""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from small_trainings import settings, write_records

from vlmbench.cli.main import main
from vlmbench.trainers.training.checkpointing import CheckpointingTrainer
from vlmbench.trainers.training.checkpoints import whole
from vlmbench.trainers.training.metrics import read_metrics

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
    assert "w1/checkpoint-2: is not a checkpoint of this training, whose checkpoints are in other" in told
    assert "--work-dir w1 resumes it" in told
    assert not (tmp_path / "other").exists()


def test_other_data_in_the_same_file_is_refused_by_name(
    command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command("--work-dir", "w") == 0
    file = tmp_path / "data" / "records.json"
    records = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(records[::-1]), "utf-8")
    assert command("--work-dir", "w") == 1
    assert "records.json has other contents than it had" in capfd.readouterr().err
    stopped(tmp_path / "w")
    assert command("--work-dir", "w", "--resume") == 1
    told = capfd.readouterr().err
    assert "checkpoint-2: cannot be resumed: " in told
    assert "records.json has other contents than it had" in told


def test_a_lower_rate_may_be_gone_on_with_and_is_told_taken_and_kept(
    command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert command("--work-dir", "w", "--set", "schedule.curve=constant") == 0
    stopped(tmp_path / "w")
    slower = ("--set", "schedule.curve=constant", "--set", "schedule.lr=1e-6")
    assert command("--work-dir", "w", "--resume", *slower, "--set", "schedule.epochs=1") == 1
    assert "schedule.epochs was 2 and is 1" in capfd.readouterr().err
    assert command("--work-dir", "w", "--resume", *slower) == 0
    said = "after step 2, schedule.lr was 0.0001 and is 1e-06"
    assert said in capfd.readouterr().err
    rates = [reading["learning_rate"]["language"] for reading in read_metrics(tmp_path / "w")]
    assert rates == [pytest.approx(rate) for rate in (1e-9, 1e-4, 1e-6, 1e-6)]
    assert f"- {said}" in (tmp_path / "w" / "model" / "README.md").read_text("utf-8")
    assert said in (tmp_path / "w" / "checkpoint-4" / "facts.json").read_text("utf-8")


def test_checkpoints_beyond_the_one_that_is_gone_on_from_are_never_gone_on_from_again(
    command: Callable[..., int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    constant = ("--set", "schedule.curve=constant", "--set", "schedule.warmup=0")
    assert command("--work-dir", "w", *constant) == 0
    shutil.rmtree(tmp_path / "w" / "model")
    (tmp_path / "w" / "finished.json").unlink()
    slower = (*constant, "--set", "schedule.lr=1e-6")
    with monkeypatch.context() as patch:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(CheckpointingTrainer, "_save_checkpoint", killed)
        assert command("--work-dir", "w", "--resume", "w/checkpoint-2", *slower) == 130
    assert "deleted checkpoints and evaluations of 4: this run resumes from step 2" in capfd.readouterr().err
    assert names(tmp_path / "w") == ["checkpoint-2"]
    assert command("--work-dir", "w", "--resume", *slower) == 0
    assert "4 steps, 2 of them done before" in capfd.readouterr().err
    rates = [reading["learning_rate"]["language"] for reading in read_metrics(tmp_path / "w")]
    assert rates[2:] == [pytest.approx(1e-6)] * 2


def test_when_to_save_and_to_log_may_change_on_the_way(command: Callable[..., int], tmp_path: Path) -> None:
    assert command("--work-dir", "w") == 0
    stopped(tmp_path / "w")
    other = ("--set", "saving.every=1", "--set", "saving.log_every=2", "--set", "saving.keep=3")
    assert command("--work-dir", "w", "--resume", *other) == 0
    assert names(tmp_path / "w") == ["checkpoint-2", "checkpoint-3", "checkpoint-4"]
    assert [reading["step"] for reading in read_metrics(tmp_path / "w")] == [1, 2, 4]


def test_a_work_folder_at_home_is_one_folder(
    command: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert command("--work-dir=~/w") == 0
    assert (tmp_path / "me" / "w" / "finished.json").is_file()
    assert not (tmp_path / "~").exists()


def test_the_work_folder_of_a_chain_may_be_moved_before_its_second_stage_goes_on(
    command: Callable[..., int], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    second = "{name: second, base: demo_lora}"
    (tmp_path / "chain.yaml").write_text(f"stages: [demo_full, {second}]", "utf-8")
    assert command("--work-dir", "w", recipe="chain.yaml") == 0
    stopped(tmp_path / "w")
    (tmp_path / "w").rename(tmp_path / "moved")
    capfd.readouterr()
    assert command("--work-dir", "moved", "--resume", recipe="chain.yaml") == 0
    told = capfd.readouterr().err
    assert "demo_full was finished before, in moved/demo_full" in told
    assert "training second: 4 steps, 2 of them done before" in told
    assert names(tmp_path / "moved") == ["checkpoint-2", "checkpoint-4"]
    assert not (tmp_path / "work_dirs").exists()


@pytest.fixture
def room() -> Iterator[Callable[[int], None]]:
    """Files of at most so many bytes, as on a disk that fills up."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda most: resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("file", ["trained.safetensors", "optimizer.pt"])
def test_a_full_disk_is_told_and_leaves_nothing_half_written(
    file: str,
    command: Callable[..., int],
    room: Callable[[int], None],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert command("--work-dir", "w") == 0
    most = (tmp_path / "w" / "checkpoint-2" / file).stat().st_size - 1
    stopped(tmp_path / "w")
    capfd.readouterr()
    room(most)
    assert command("--work-dir", "w", "--resume") == 1
    told = capfd.readouterr().err
    assert "w/checkpoint-4: cannot write the checkpoint of step 4: the disk is full" in told
    assert "it needs up to" in told
    assert "then --resume continues from checkpoint-2." in told
    assert "Traceback" not in told
    assert not list((tmp_path / "w").glob(".*unfinished*"))
    assert names(tmp_path / "w") == ["checkpoint-2"]
