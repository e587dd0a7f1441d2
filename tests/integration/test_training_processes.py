"""Trainings as people start them, in real processes: torchrun inside, DeepSpeed, kills, four bits."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_trainings import settings, small, write_records

from vlmbench.checkpoints.read import open_llava
from vlmbench.trainers.recipe.model import Quantisation
from vlmbench.trainers.training import train
from vlmbench.trainers.training.checkpoints import TRAINED, whole
from vlmbench.trainers.training.metrics import read_metrics

pytestmark = pytest.mark.slow


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_records(tmp_path / "data")


@pytest.fixture
def model(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("llava")


@pytest.fixture
def command(model: Path, data: Path, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`vlmbench train` of a small recipe in a process of its own."""

    def run(
        *flags: str, more: tuple[str, ...] = (), said: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        sets = [word for setting in settings(model, data, *more) for word in ("--set", setting)]
        environ = os.environ | {"VLMBENCH_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
        environ |= said or {}
        return subprocess.run(
            [sys.executable, "-m", "vlmbench", "train", "demo_lora", *sets, *flags],
            capture_output=True, text=True, timeout=400, env=environ, cwd=tmp_path, check=False,
        )  # fmt: skip

    return run


def losses(work_dir: Path) -> list[float]:
    return [reading["loss"] for reading in read_metrics(work_dir)]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / TRAINED)


def test_two_processes_learn_what_one_learns(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    one = command("--work-dir", "one")
    two = command("--work-dir", "two", "--nproc", "2", more=("schedule.accumulation=1",))
    assert one.returncode == two.returncode == 0, one.stderr + two.stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)
    a, b = tensors(tmp_path / "one/checkpoint-6"), tensors(tmp_path / "two/checkpoint-6")
    torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-4)


def test_two_machines_learn_what_one_learns(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """Both of them this one: each is told its rank and where the first is, and starts one process."""
    one = command("--work-dir", "one")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        where = {"NNODES": "2", "ADDR": "127.0.0.1", "PORT": str(found.getsockname()[1])}

    def machine(rank: int) -> subprocess.CompletedProcess[str]:
        said = where | {"NODE_RANK": str(rank), "NPROC_PER_NODE": "1"}
        return command("--work-dir", "two", more=("schedule.accumulation=1",), said=said)

    with ThreadPoolExecutor(2) as both:
        ended = list(both.map(machine, (0, 1)))
    assert [one.returncode, *(end.returncode for end in ended)] == [0, 0, 0], (
        ended[0].stderr + ended[1].stderr
    )
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-4)


def test_half_precision_learns_nearly_the_same(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    whole, half = (
        command("--work-dir", "one"),
        command("--work-dir", "half", more=("parallelism.precision=bf16",)),
    )
    assert whole.returncode == half.returncode == 0, half.stderr
    assert losses(tmp_path / "half") == pytest.approx(losses(tmp_path / "one"), rel=2e-2)
    assert losses(tmp_path / "half") != losses(tmp_path / "one")


@pytest.mark.parametrize("preset", ["zero1", "zero2", "zero2_offload", "zero3", "zero3_offload"])
def test_deepspeed_on_two_processes_trains_stops_and_goes_on(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, preset: str
) -> None:
    flags = ("--nproc", "2", "--deepspeed", f"deepspeed_{preset}")
    sets = ("schedule.accumulation=1",)
    plain = command("--work-dir", "plain", more=())
    straight = command("--work-dir", "straight", *flags, more=sets)
    assert straight.returncode == plain.returncode == 0, straight.stderr
    assert losses(tmp_path / "straight") == pytest.approx(losses(tmp_path / "plain"), rel=2e-3)
    assert open_llava(tmp_path / "straight/model").image_token_id is not None
    # As after a kill: the last checkpoint and the model were never written.
    for gone in ("model", "checkpoint-6"):
        remove(tmp_path / "straight" / gone)
    resumed = command("--work-dir", "straight", *flags, "--resume", more=sets)
    assert resumed.returncode == 0, resumed.stderr
    assert losses(tmp_path / "straight") == pytest.approx(losses(tmp_path / "plain"), rel=2e-3)


def test_a_deepspeed_file_of_ones_own_trains_as_its_preset_does(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    same = {"zero_optimization": {"stage": 2}, "train_batch_size": 8, "gradient_accumulation_steps": 2}
    (tmp_path / "mine.json").write_text(json.dumps(same), "utf-8")
    preset = command("--work-dir", "preset", "--deepspeed", "zero2", "--nproc", "1")
    own = command("--work-dir", "own", "--deepspeed", "mine.json", "--nproc", "1")
    assert own.returncode == preset.returncode == 0, own.stderr
    assert losses(tmp_path / "own") == losses(tmp_path / "preset")
    other = command("--work-dir", "other", "--deepspeed", "mine.json", "--nproc", "2")
    assert other.returncode == 1
    assert "mine.json, `train_batch_size`: is 8, and the global batch is 16" in other.stderr
    assert "tokenising" not in other.stderr.lower()


def test_deepspeed_is_not_resumed_on_another_number_of_processes(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    sets = ("schedule.accumulation=1",)
    assert command("--nproc", "2", "--deepspeed", "zero2", "--work-dir", "run", more=sets).returncode == 0
    remove(tmp_path / "run" / "model")
    refused = command("--nproc", "1", "--deepspeed", "zero2", "--work-dir", "run", "--resume")
    assert refused.returncode == 1
    assert "DeepSpeed wrote it on 2 processes, and this run has 1" in refused.stderr


def remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


def test_without_deepspeed_a_run_goes_on_on_another_number_of_processes(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    assert command("--work-dir", "run").returncode == 0
    before = losses(tmp_path / "run")
    for gone in ("model", "checkpoint-6"):
        remove(tmp_path / "run" / gone)
    again = command("--work-dir", "run", "--resume", "--nproc", "2", more=("schedule.accumulation=1",))
    assert again.returncode == 0, again.stderr
    assert losses(tmp_path / "run") == pytest.approx(before, rel=1e-4)


KILLED = """
import os, signal, sys
from vlmbench.trainers.training import checkpointing
from vlmbench.__main__ import main
write = checkpointing.save_safetensors
def dying(tensors, file):
    write(tensors, file)
    if "checkpoint-4" in str(file):
        os.kill(os.getpid(), signal.SIGKILL)
checkpointing.save_safetensors = dying
sys.exit(main())
"""


def test_a_run_that_is_killed_in_the_middle_of_a_save_goes_on_from_the_checkpoint_before(
    command: Callable[..., subprocess.CompletedProcess[str]], model: Path, data: Path, tmp_path: Path
) -> None:
    sets = [word for setting in settings(model, data) for word in ("--set", setting)]
    environ = os.environ | {"VLMBENCH_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "train", "demo_lora", *sets, "--work-dir", "killed"],
        timeout=200, env=environ, cwd=tmp_path, check=False, capture_output=True,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [folder.name for folder in whole(tmp_path / "killed")] == ["checkpoint-2"]
    assert (tmp_path / "killed/.checkpoint-4.unfinished").is_dir()
    resumed = command("--work-dir", "killed", "--resume")
    straight = command("--work-dir", "straight")
    assert resumed.returncode == straight.returncode == 0, resumed.stderr
    a, b = tensors(tmp_path / "killed/checkpoint-6"), tensors(tmp_path / "straight/checkpoint-6")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not list((tmp_path / "killed").glob(".*unfinished*"))


def test_the_exit_code_is_that_of_the_process_that_failed(
    command: Callable[..., subprocess.CompletedProcess[str]], data: Path
) -> None:
    (data.parent / "pictures" / "1.png").unlink()
    failed = command("--nproc", "2", "--work-dir", "run")
    assert failed.returncode == 1
    assert "1.png" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_where_a_loss_is_no_number_the_records_of_all_processes_are_written_down(
    command: Callable[..., subprocess.CompletedProcess[str]], model: Path, tmp_path: Path
) -> None:
    spoiled = tmp_path / "spoiled"
    shutil.copytree(model, spoiled)
    weights = load_file(spoiled / "model.safetensors")
    weights["multi_modal_projector.linear_2.bias"][0] = float("nan")
    save_file(weights, spoiled / "model.safetensors", {"format": "pt"})
    failed = command("--nproc", "2", "--work-dir", "run", more=(f"model.start={spoiled}",))
    assert failed.returncode == 1
    assert "All 16 ids: " in failed.stderr
    kept = (tmp_path / "run/stopped-at-step-1.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["rank"] for line in kept] == [0, 1]
    assert len({record for line in kept for record in json.loads(line)["records"]}) == 16


def test_a_language_model_in_four_bits_learns_by_adapters(model: Path, data: Path, tmp_path: Path) -> None:
    torch.set_num_threads(1)
    recipe = small(model, data, "schedule.epochs=6", "schedule.lr=1e-2")
    language = replace(recipe.model.language, quantisation=Quantisation(compute="float32"))
    four = replace(recipe, model=replace(recipe.model, language=language))
    finished = train(four, work_dir=tmp_path / "run", home=tmp_path / "home")
    seen = losses(tmp_path / "run")
    assert seen[-1] < seen[0]
    assert json.loads((finished / "training.json").read_text("utf-8"))["steps"] == len(seen)
    assert open_llava(finished).language.weights["lm_head.weight"].dtype == "float32"


def test_four_bits_learn_the_same_on_two_processes_with_and_without_deepspeed(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    sets = ("schedule.accumulation=1", "model.language.quantisation.compute=float32")
    plain = command("--work-dir", "plain", "--nproc", "2", more=sets)
    zero = command("--work-dir", "zero", "--nproc", "2", "--deepspeed", "deepspeed_zero2", more=sets)
    assert plain.returncode == zero.returncode == 0, plain.stderr + zero.stderr
    assert losses(tmp_path / "zero") == pytest.approx(losses(tmp_path / "plain"), rel=1e-3)


def test_broken_pictures_are_counted_over_all_processes_each_once(
    command: Callable[..., subprocess.CompletedProcess[str]], data: Path, tmp_path: Path
) -> None:
    for number in (1, 4, 7):
        (data.parent / "pictures" / f"{number}.png").write_bytes(b"no picture")
    sets = ("schedule.accumulation=1", "data.broken=skip")
    whole_run = command("--nproc", "2", "--work-dir", "run", more=(*sets, "data.broken_limit=3"))
    assert whole_run.returncode == 0, whole_run.stderr
    assert read_metrics(tmp_path / "run")[-1]["skipped"] == 3
    stopped = command("--nproc", "2", "--work-dir", "stopped", more=(*sets, "data.broken_limit=2"))
    assert stopped.returncode == 1
    assert "pictures could not be read, in all processes" in stopped.stderr
    assert "Traceback" not in stopped.stderr
