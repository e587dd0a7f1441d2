"""Benchmarks while transformers' Trainer or TRL's SFTTrainer trains: the training does not notice."""

from __future__ import annotations

import functools
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from callback_trainings import STEPS, figures, outcome, restless, sft_trainer, trainer
from repository import TESTS
from transformers import TrainerCallback

from vlmbench.api.callback import VlmbenchCallback
from vlmbench.errors import DataError, UsageError, UserError
from vlmbench.finished import FinishedRun
from vlmbench.models.hf.fingerprint import weights_digest
from vlmbench.report.runs import open_run

NAME = "vlmbench/Shapes_DEV_EN"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))


@pytest.fixture
def model(tiny_model: Callable[[str], Path]) -> Path:
    return tiny_model("llava")


@pytest.mark.parametrize(
    ("kind", "architecture"),
    [
        (trainer, "llava"),
        (trainer, "qwen2_vl"),
        (functools.partial(trainer, bf16=True), "llava"),
        (sft_trainer, "llava"),
    ],
    ids=["llava", "qwen2_vl", "mixed precision", "TRL"],
)
def test_losses_and_weights_are_the_same_to_the_last_bit_with_and_without_the_callback(
    kind: Callable[..., Any], architecture: str, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    model = tiny_model(architecture)
    callback = VlmbenchCallback([restless()], every_steps=1, limit=2)
    with_callback = kind(model, tmp_path / "with", callback)
    assert outcome(with_callback) == outcome(kind(model, tmp_path / "without"))
    assert figures(with_callback) == {step: [NAME, f"{NAME}_stderr"] for step in range(1, STEPS + 1)}


def test_the_comparison_would_show_one_random_number_drawn_on_the_way(model: Path, tmp_path: Path) -> None:
    import torch

    class Draws(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            torch.rand(1)

    drawn = outcome(trainer(model, tmp_path / "drawn", Draws()))
    assert drawn["weights"] != outcome(trainer(model, tmp_path / "quiet"))["weights"]


def test_a_decoding_that_samples_is_locked_and_draws_nothing_from_the_training(
    model: Path, tmp_path: Path
) -> None:
    decoding = {"temperature": 1.5, "max_new_tokens": 8}
    callback = VlmbenchCallback(
        "Shapes_DEV_EN", every_steps=1, limit=2, out=tmp_path / "runs", decoding=decoding, samples=2
    )
    sampled = outcome(trainer(model, tmp_path / "sampled", callback))
    assert sampled == outcome(trainer(model, tmp_path / "quiet"))
    (locked,) = json.loads((tmp_path / "runs/step-1/Shapes_DEV_EN/run.json").read_text())["facts"]["decoding"]
    assert (locked["temperature"], locked["max_new_tokens"]) == (1.5, 8)
    results = json.loads((tmp_path / "runs/step-1/Shapes_DEV_EN/results.json").read_text())
    assert results["draws"]["number"] == 2


def test_each_evaluation_is_a_run_folder_of_its_step(model: Path, tmp_path: Path) -> None:
    outcome(trainer(model, tmp_path, VlmbenchCallback(restless(), every_steps=3, limit=2)))
    runs: list[FinishedRun] = [
        open_run(tmp_path / "vlmbench" / f"step-{step}" / "Shapes_DEV_EN") for step in (3, STEPS)
    ]
    assert [run.results["partial"] for run in runs] == [True, True]
    weights = [json.loads((run.folder / "run.json").read_text("utf-8"))["facts"]["model"] for run in runs]
    assert weights[0]["weights"] != weights[1]["weights"]


class StopsAtTwo(TrainerCallback):
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        control.should_training_stop = state.global_step == 2


def test_a_training_that_stops_early_is_evaluated_where_it_stopped(model: Path, tmp_path: Path) -> None:
    training = trainer(model, tmp_path, VlmbenchCallback([restless()], limit=2), StopsAtTwo())
    outcome(training)
    assert figures(training) == {2: [NAME, f"{NAME}_stderr"]}
    assert open_run(tmp_path / "vlmbench" / "step-2" / "Shapes_DEV_EN").whole


def test_at_the_end_the_best_model_is_evaluated_where_the_trainer_has_loaded_it(
    model: Path, tmp_path: Path
) -> None:
    often = {"eval_strategy": "steps", "eval_steps": 2, "save_strategy": "steps", "save_steps": 2}
    callback = VlmbenchCallback([restless()], limit=2)
    training = trainer(model, tmp_path, callback, load_best_model_at_end=True, **often)
    outcome(training)
    facts = json.loads((tmp_path / "vlmbench" / "best" / "Shapes_DEV_EN" / "run.json").read_text("utf-8"))
    assert facts["facts"]["model"]["weights"] == weights_digest(training.model)
    assert not (tmp_path / "vlmbench" / f"step-{STEPS}").exists()


def test_figures_reach_tensorboard(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "events"))
    callback = VlmbenchCallback([restless()], every_steps=2, limit=2)
    outcome(trainer(model, tmp_path, callback, report_to=["tensorboard"]))
    events = EventAccumulator(str(tmp_path / "events"))
    events.Reload()
    assert [event.step for event in events.Scalars(f"train/{NAME}")] == [2, STEPS]


def test_figures_reach_weights_and_biases(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import wandb

    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true"}.items():
        monkeypatch.setenv(name, value)
    callback = VlmbenchCallback([restless()], every_steps=2, limit=2)
    outcome(training := trainer(model, tmp_path / "out", callback, report_to=["wandb"]))
    last = {name: wandb.run.summary[name] for name in ("train/global_step", f"train/{NAME}")}
    wandb.finish()
    assert last == {"train/global_step": STEPS, f"train/{NAME}": training.state.log_history[-3][NAME]}


def test_a_training_made_again_in_the_same_folder_is_evaluated_again(model: Path, tmp_path: Path) -> None:
    for rate in (1e-2, 1e-3):
        callback = VlmbenchCallback([restless()], limit=2)
        again = trainer(model, tmp_path, callback, learning_rate=rate)
        outcome(again)
        assert figures(again) == {STEPS: [NAME, f"{NAME}_stderr"]}


def test_a_benchmark_without_its_file_is_found_before_the_first_step(model: Path, tmp_path: Path) -> None:
    missing = trainer(model, tmp_path, VlmbenchCallback(["MMBench_DEV_EN"], every_steps=2))
    with pytest.raises(DataError, match=r"MMBench_DEV_EN\.tsv"):
        missing.train()
    assert missing.state.global_step == 0


def test_a_trainer_without_a_processor_is_refused_with_the_argument_that_takes_one(
    model: Path, tmp_path: Path
) -> None:
    training = trainer(model, tmp_path, callback := VlmbenchCallback([restless()], limit=2))
    processor, training.callback_handler.processing_class = training.processing_class, None
    with pytest.raises(UsageError, match=r"VlmbenchCallback\(…, processor="):
        training.train()
    callback._processor = processor
    outcome(training)
    assert figures(training) == {STEPS: [NAME, f"{NAME}_stderr"]}


class Breaks(type(restless())):  # type: ignore[misc]
    """Opens, and fails when it is asked."""

    def request(self, *_: Any) -> Any:
        raise RuntimeError("a bug in a plugin")


def test_a_failure_on_the_way_is_logged_and_the_training_goes_on(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = Breaks(restless().inner, iter(()))
    with caplog.at_level(logging.ERROR, "vlmbench"):
        found = outcome(trainer(model, tmp_path / "with", VlmbenchCallback([broken], every_steps=2)))
    assert found == outcome(trainer(model, tmp_path / "without"))
    assert "Shapes_DEV_EN was not evaluated: a bug in a plugin" in caplog.text
    with pytest.raises(RuntimeError, match="a bug in a plugin"):
        trainer(model, tmp_path / "strict", VlmbenchCallback([broken], every_steps=2, strict=True)).train()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every_steps": 0}, "`every_steps`: `0` is not a whole number from 1"),
        ({"limit": 0}, "`limit`: `0` is not a whole number from 1"),
        ({"at_end": False}, "nothing would ever be evaluated"),
        ({"samples": 0}, "`samples`: `0` is not a whole number from 1"),
        ({"samples": 4}, "greedy decoding gives one answer"),
    ],
)
def test_arguments_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        VlmbenchCallback(["Shapes_DEV_EN"], **options)


def test_the_callback_needs_a_trainer() -> None:
    with pytest.raises(UserError, match=r"inside a transformers\.Trainer"):
        VlmbenchCallback(["Shapes_DEV_EN"]).on_train_begin(None, None, None)


@pytest.fixture(scope="module")
def on_two_ranks(
    tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, int], dict[str, Any]]:
    """What each rank came to, by way of training and rank; one start of two processes for all ways."""
    folder, ways = tmp_path_factory.mktemp("ranks"), ("evaluated", "plain", "missing")
    script = TESTS / "support" / "callback_trainings.py"
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, str(script), str(folder), str(tiny_model("llava")), *ways],
        capture_output=True, text=True, timeout=400, check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1", "VLMBENCH_HOME": str(folder / "home")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return {
        (way, rank): json.loads((folder / way / f"outcome.{rank}.json").read_text("utf-8"))
        for way in ways
        for rank in range(2)
    }


@pytest.mark.slow
def test_one_of_two_ranks_evaluates_for_longer_than_the_training_would_wait(
    on_two_ranks: dict[tuple[str, int], dict[str, Any]],
) -> None:
    ways = [(way, rank) for way in ("evaluated", "plain") for rank in range(2)]
    logged = {key: on_two_ranks[key]["figures"] for key in ways}
    assert logged.pop(("evaluated", 0)) == {str(step): [NAME, f"{NAME}_stderr"] for step in (2, STEPS)}
    assert list(logged.values()) == [{}, {}, {}]
    for rank in range(2):
        with_callback, without = on_two_ranks["evaluated", rank], on_two_ranks["plain", rank]
        assert with_callback["history"] == without["history"]
        assert with_callback["weights"] == without["weights"]
    assert on_two_ranks["plain", 0]["weights"] == on_two_ranks["plain", 1]["weights"]


@pytest.mark.slow
def test_what_is_missing_ends_the_training_on_both_ranks(
    on_two_ranks: dict[tuple[str, int], dict[str, Any]],
) -> None:
    first, second = (on_two_ranks["missing", rank] for rank in range(2))
    assert first["steps"] == second["steps"] == 0
    assert first["error"].startswith("DataError: MMBench_DEV_EN.tsv")
    assert second["error"].startswith("UserError: rank 0 could not evaluate: DataError: MMBench_DEV_EN.tsv")
