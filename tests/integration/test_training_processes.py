"""Trainings on several processes and machines: torchrun inside, DeepSpeed, kills, four bits.

A run on one process is trained once and compared with; what starts ranks is this process, the ranks are real.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_trainings import settings, small, write_records
from warm_python import warm_python

import vlmbench
from vlmbench.checkpoints.read import open_llava
from vlmbench.cli.main import main
from vlmbench.trainers.recipe.model import Quantisation
from vlmbench.trainers.training import train
from vlmbench.trainers.training.checkpoints import TRAINED, whole
from vlmbench.trainers.training.metrics import read_metrics

pytestmark = pytest.mark.slow

TWO = ("schedule.accumulation=1",)
"""On two processes the global batch of one process that accumulates twice."""
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    # What starting ranks would set in this process, and leave behind.
    "DS_ACCELERATOR": "cpu",
    "PYTHONWARNINGS": "ignore::FutureWarning:torch.distributed.c10d_logger",
}
Command = Callable[..., subprocess.CompletedProcess[str]]
PYTHON = sys.executable
RANKS_IMPORT = ("vlmbench.__main__", "vlmbench.trainers.training.run", "peft", "deepspeed")


@pytest.fixture(scope="module", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every run shares one home: the records are tokenised once."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.setenv("VLMBENCH_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module")
def warm(environment: None) -> Iterator[str]:
    """The Python of ranks that torchrun starts as ever, and that need not import torch each."""
    with warm_python(*RANKS_IMPORT) as programs:
        yield str(programs / "python")


@pytest.fixture(scope="module")
def model(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("llava")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_records(tmp_path_factory.mktemp("records") / "data")


@pytest.fixture
def own_data(tmp_path: Path) -> Path:
    """Records of the test's own, to be broken."""
    return write_records(tmp_path / "data")


def words(model: Path, data: Path, *more: str) -> list[str]:
    sets = settings(model, data, *more)
    return ["train", "demo_lora", *(word for setting in sets for word in ("--set", setting))]


@pytest.fixture(scope="module")
def one(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a run on one process."""
    folder = tmp_path_factory.mktemp("one") / "run"
    assert main([*words(model, data), "--work-dir", str(folder)]) == 0
    return folder


ZERO2 = ("--nproc", "2", "--deepspeed", "deepspeed_zero2")


@pytest.fixture(scope="module")
def zero2(warm: str, model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of a run on two processes with optimizer states and gradients sharded."""
    folder = tmp_path_factory.mktemp("zero2") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", warm)
        assert main([*words(model, data, *TWO), "--work-dir", str(folder), *ZERO2]) == 0
    return folder


@pytest.fixture
def command(
    warm: str,
    model: Path,
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Command:
    """`vlmbench train` of the small recipe."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", warm)

    def run(*flags: str, more: Sequence[str] = (), records: Path = data) -> subprocess.CompletedProcess[str]:
        capfd.readouterr()
        code = main([*words(model, records, *more), *flags])
        return subprocess.CompletedProcess(flags, code, *capfd.readouterr())

    return run


def alone(
    folder: Path, arguments: Sequence[str], more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Python in a process of its own."""
    return subprocess.run(
        [PYTHON, *arguments], env=os.environ | dict(more or {}), cwd=folder, timeout=400,
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def losses(work_dir: Path) -> list[float]:
    return [reading["loss"] for reading in read_metrics(work_dir)]


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / TRAINED)


def stopped_at_four(run: Path, copy: Path | None = None) -> None:
    """The run, or a copy, as a kill leaves it: the last checkpoint and the model were never written."""
    folder = run if copy is None else shutil.copytree(run, copy)
    for gone in ("model", "checkpoint-6"):
        shutil.rmtree(folder / gone)


# torchrun leaves the files open that ranks write into.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_two_processes_learn_what_one_learns_and_are_silent_without_progress(
    one: Path, model: Path, data: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    values = dict(setting.split("=", 1) for setting in settings(model, data, *TWO))
    two = tmp_path / "two"
    asked = {"evaluate": ["Shapes_DEV_EN"], "evaluate_limit": 1}
    vlmbench.train("demo_lora", settings=values, work_dir=two, nproc=2, progress=False, **asked)
    assert capfd.readouterr() == ("", "")
    assert losses(two) == pytest.approx(losses(one), rel=1e-4)
    a, b = tensors(one / "checkpoint-6"), tensors(two / "checkpoint-6")
    torch.testing.assert_close(a, b, rtol=1e-2, atol=1e-4)
    assert "answering: " in (two / "evaluation.log").read_text("utf-8")
    (written,) = two.glob("ranks/*/attempt_0/0/stderr.log")
    assert "training demo_lora: 6/6 steps" in written.read_text("utf-8")


def test_two_machines_learn_what_one_learns(one: Path, model: Path, data: Path, tmp_path: Path) -> None:
    """Both of them this one: each is told its rank and where the first is, and starts one process."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        where = {"NNODES": "2", "ADDR": "127.0.0.1", "PORT": str(found.getsockname()[1])}

    def machine(rank: int) -> subprocess.CompletedProcess[str]:
        more = where | {"NODE_RANK": str(rank), "NPROC_PER_NODE": "1"}
        return alone(tmp_path, ["-m", "vlmbench", *words(model, data, *TWO), "--work-dir", "two"], more)

    with ThreadPoolExecutor(2) as both:
        ended = list(both.map(machine, (0, 1)))
    assert [end.returncode for end in ended] == [0, 0], ended[0].stderr + ended[1].stderr
    assert losses(tmp_path / "two") == pytest.approx(losses(one), rel=1e-4)


def test_half_precision_learns_nearly_the_same(one: Path, command: Command) -> None:
    half = command("--work-dir", "half", more=("parallelism.precision=bf16",))
    assert half.returncode == 0, half.stderr
    assert losses(Path("half")) == pytest.approx(losses(one), rel=2e-2)
    assert losses(Path("half")) != losses(one)


@pytest.mark.parametrize("preset", ["zero1", "zero2", "zero2_offload", "zero3", "zero3_offload"])
def test_deepspeed_on_two_processes_trains_stops_and_goes_on(
    one: Path, zero2: Path, command: Command, preset: str
) -> None:
    flags = ("--nproc", "2", "--deepspeed", f"deepspeed_{preset}", "--work-dir", "run")
    if preset == "zero2":
        shutil.copytree(zero2, "run")
    else:
        straight = command(*flags, more=TWO)
        assert straight.returncode == 0, straight.stderr
    assert losses(Path("run")) == pytest.approx(losses(one), rel=2e-3)
    assert open_llava(Path("run/model")).image_token_id is not None
    stopped_at_four(Path("run"))
    resumed = command(*flags, "--resume", more=TWO)
    assert resumed.returncode == 0, resumed.stderr
    assert losses(Path("run")) == pytest.approx(losses(one), rel=2e-3)


def test_a_deepspeed_file_of_ones_own_trains_as_its_preset_does(zero2: Path, command: Command) -> None:
    mine = {"zero_optimization": {"stage": 2}, "train_batch_size": 8, "gradient_accumulation_steps": 1}
    Path("mine.json").write_text(json.dumps(mine), "utf-8")
    own = command("--work-dir", "own", "--deepspeed", "mine.json", "--nproc", "2", more=TWO)
    assert own.returncode == 0, own.stderr
    assert losses(Path("own")) == losses(zero2)
    other = command("--work-dir", "other", "--deepspeed", "mine.json", "--nproc", "1", more=TWO)
    assert other.returncode == 1
    assert "mine.json, `train_batch_size`: is 8, and the global batch is 4" in other.stderr
    assert "tokenising" not in other.stderr.lower()


def test_deepspeed_is_not_resumed_on_another_number_of_processes(zero2: Path, command: Command) -> None:
    stopped_at_four(zero2, copy=Path("run"))
    refused = command("--nproc", "1", "--deepspeed", "zero2", "--work-dir", "run", "--resume")
    assert refused.returncode == 1
    assert "DeepSpeed wrote it on 2 processes, and this run has 1" in refused.stderr


def test_without_deepspeed_a_run_goes_on_on_another_number_of_processes(one: Path, command: Command) -> None:
    stopped_at_four(one, copy=Path("run"))
    again = command("--work-dir", "run", "--resume", "--nproc", "2", more=TWO)
    assert again.returncode == 0, again.stderr
    assert losses(Path("run")) == pytest.approx(losses(one), rel=1e-4)


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
    one: Path, command: Command, model: Path, data: Path, tmp_path: Path
) -> None:
    killed = alone(tmp_path, ["-c", KILLED, *words(model, data), "--work-dir", "killed"])
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert [folder.name for folder in whole(tmp_path / "killed")] == ["checkpoint-2"]
    assert (tmp_path / "killed/.checkpoint-4.unfinished").is_dir()
    resumed = command("--work-dir", "killed", "--resume")
    assert resumed.returncode == 0, resumed.stderr
    a, b = tensors(tmp_path / "killed/checkpoint-6"), tensors(one / "checkpoint-6")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert not list((tmp_path / "killed").glob(".*unfinished*"))


def test_the_exit_code_is_that_of_the_process_that_failed(command: Command, own_data: Path) -> None:
    (own_data.parent / "pictures" / "1.png").unlink()
    failed = command("--nproc", "2", "--work-dir", "run", records=own_data)
    assert failed.returncode == 1
    assert "1.png" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_where_a_loss_is_no_number_the_records_of_all_processes_are_written_down(
    command: Command, model: Path, tmp_path: Path
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


def test_four_bits_learn_the_same_on_two_processes_with_and_without_deepspeed(command: Command) -> None:
    sets = (*TWO, "model.language.quantisation.compute=float32")
    plain = command("--work-dir", "plain", "--nproc", "2", more=sets)
    zero = command("--work-dir", "zero", *ZERO2, more=sets)
    assert plain.returncode == zero.returncode == 0, plain.stderr + zero.stderr
    assert losses(Path("zero")) == pytest.approx(losses(Path("plain")), rel=1e-3)


def test_broken_pictures_are_counted_over_all_processes_each_once(command: Command, own_data: Path) -> None:
    for number in (1, 4, 7):
        (own_data.parent / "pictures" / f"{number}.png").write_bytes(b"no picture")
    flags, sets = ("--nproc", "2", "--work-dir"), (*TWO, "data.broken=skip")
    whole_run = command(*flags, "run", more=(*sets, "data.broken_limit=3"), records=own_data)
    assert whole_run.returncode == 0, whole_run.stderr
    assert read_metrics(Path("run"))[-1]["skipped"] == 3
    stopped = command(*flags, "stopped", more=(*sets, "data.broken_limit=2"), records=own_data)
    assert stopped.returncode == 1
    assert "pictures could not be read, in all processes" in stopped.stderr
    assert "Traceback" not in stopped.stderr
