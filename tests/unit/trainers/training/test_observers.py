"""What a training shows on its way: plain lines, a bar, scalars on a board, figures in a tracker."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_trainings import small, write_records

from vlmbench.terminal.console import PlainConsole
from vlmbench.terminal.progress import TerminalBar
from vlmbench.trainers.recipe.model import Data, Source
from vlmbench.trainers.training import train
from vlmbench.trainers.training.guard import Skipped, StoppedElsewhere
from vlmbench.trainers.training.metrics import BOARD, Metrics, StepMetrics, read_metrics
from vlmbench.trainers.training.observers import TrainingProgress


def reading(step: int, loss: float = 1.5) -> StepMetrics:
    return StepMetrics(
        step=step, epoch=0.5, loss=loss, grad_norm=2.0, learning_rate={"language": 1e-4, "projector": 2e-5},
        rows=8, rows_per_second=4.0, tokens_per_second=1234.0, memory=3 * 2**30,
        skipped=0, seconds=2.0, at=1.0,
    )  # fmt: skip


def test_in_a_pipe_each_step_is_a_line_until_metrics_are_logged_and_then_each_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("vlmbench.terminal.progress.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("vlmbench.trainers.training.observers.memory", lambda *, cpu: 2**30)
    shown = TrainingProgress()
    shown.begin("mine", 100, 2)
    clock[0] += 70.0  # the checkpoint is read
    shown.start_clock()
    for step in range(3, 13):
        clock[0] += 4.0
        shown.loss = step / 8
        shown.step(step)
        if step % 4 == 0:
            shown.read(reading(step))
    shown.end()
    figures = "loss 1.5000, learning rate 1.00e-04, 1,234 tokens/s, 3.0 GiB"
    assert capsys.readouterr().err.splitlines() == [
        "training mine: 100 steps, 2 of them done before",
        "training mine: 3/100 steps, 4.00 s a step, 6:28 left, loss 0.3750, 1.0 GiB",
        "training mine: 4/100 steps, 4.00 s a step, 6:24 left, loss 0.5000, 1.0 GiB",
        f"training mine: 8/100 steps, 4.00 s a step, 6:08 left, {figures}",
        f"training mine: 12/100 steps, 4.00 s a step, 5:52 left, {figures}",
        f"training mine: 12/100 steps, 4.00 s a step, in 40 s, {figures}",
    ]


def test_on_a_terminal_a_bar_stands_under_what_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = TrainingProgress()
    screen = PlainConsole(record=True, width=160, force_terminal=True, file=io.StringIO())
    monkeypatch.setattr(shown._progress, "_bar", TerminalBar(screen))
    shown.begin("mine", 10, 0)
    shown.say("  What?  [red]a bus[/red]")
    shown.step(4)
    shown.read(reading(4))
    shown.end()
    text = screen.export_text()
    assert "training mine" in text
    assert "[red]a bus[/red]" in text
    assert "4/10 steps" in text
    assert "loss 1.5000, learning rate 1.00e-04" in text
    shown.step(5)


def test_only_the_first_process_draws(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet in (True, False):
        shown = TrainingProgress(quiet=quiet)
        shown.begin("mine", 10, 0)
        shown.say("a line")
        shown.read(reading(10))
        shown.end()
        assert bool(capsys.readouterr().err) is not quiet


def test_scalars_are_on_the_board_and_what_a_killed_run_left_beyond_its_checkpoint_is_not(
    tmp_path: Path,
) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for after, steps in ((0, (1, 2, 3)), (2, (3, 4))):
        metrics = Metrics(tmp_path, after)
        for step in steps:
            metrics.add(reading(step, loss=float(step * 10 + after)))
        metrics.close()
    board: Any = EventAccumulator(str(tmp_path / BOARD))
    board.Reload()
    assert {"loss", "gradient norm", "learning rate/language", "learning rate/projector"} <= set(
        board.Tags()["scalars"]
    )
    assert [(event.step, event.value) for event in board.Scalars("loss")] == [
        (1, 10),
        (2, 20),
        (3, 32),
        (4, 42),
    ]


def test_broken_pictures_of_all_processes_count_once_each_and_stop_all_beyond_the_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What three processes gather; a real gathering is in the trainings on several processes.
    monkeypatch.setattr(
        "vlmbench.trainers.training.guard.of_all", lambda own: [own, ["b: gone"], ["c: gone"]]
    )
    data = Data(name="mine", sources=(Source(),), max_length=9, broken="skip", broken_limit=3)
    first, other = (Skipped(data, tmp_path / "list.jsonl") for _ in range(2))
    first.add(["a: gone"], first=True)
    first.add(["a: gone"], first=True)
    assert len(first) == 3
    with pytest.raises(Exception, match=r"list\.jsonl: 4 pictures .* all processes together.*limit` is 3"):
        first.add(["d: gone"], first=True)
    other.add([], first=False)
    other.add(["a: gone"], first=False)
    with pytest.raises(StoppedElsewhere):
        other.add(["d: gone"], first=False)


def test_the_figures_of_a_training_are_in_the_tracker(
    tiny_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "trainings")
    monkeypatch.chdir(tmp_path)
    recipe = small(tiny_model("llava"), write_records(tmp_path / "data"), "schedule.max_steps=2")
    train(recipe, work_dir=tmp_path / "run", home=tmp_path / "home", tracker="mlflow")
    (kept,) = mlflow.search_runs(experiment_names=["trainings"], output_format="list")
    assert kept.data.metrics["loss"] == pytest.approx(read_metrics(tmp_path / "run")[-1]["loss"])
    assert kept.info.run_name == "demo_lora"
