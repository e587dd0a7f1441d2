"""Figures in experiment trackers: into a real store on disk, where the package is installed."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from finished_runs import circular_run
from samples import metric, rotated
from samples import run as made_run

from vlmbench.cli.main import main
from vlmbench.report.exports.trackers import TRACKERS, check_tracker, log_results, metrics_of, settings_of
from vlmbench.report.results import results_document

ECHO = ["run", "--model", "echo:B", "--bench", "Shapes_DEV_EN", "--limit", "3"]


def results() -> dict[str, Any]:
    return dict(circular_run([True, False, True, True]).results)


def test_every_figure_has_a_name_that_trackers_take() -> None:
    figures = [
        metric("circular accuracy"),
        metric("a/../../b:<c>|é", 0.5, level="category"),
        metric("x", None),
    ]
    found = metrics_of(results_document(made_run(rotated(2, answer="A"), figures)))
    assert found["circular accuracy/strict"] == 0.614
    assert found["category/a/_/_/b__c___"] == 0.5
    assert (found["unparsed"], found["errors"]) == (0.0, 0.0)
    assert "overall/x" not in found


def test_mlflow_keeps_figures_settings_and_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow

    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    file = tmp_path / "results.json"
    file.write_text(json.dumps(results()))
    log_results("mlflow", results(), tmp_path)
    (kept,) = mlflow.search_runs(experiment_names=["vlmbench"], output_format="list")
    assert kept.data.metrics["circular accuracy/strict"] == 0.75
    assert kept.data.params["rules"] == "strict"
    assert kept.info.run_name == "demo Shapes_DEV_EN"
    assert (Path(kept.info.artifact_uri.removeprefix("file://")) / "results.json").is_file()


def test_wandb_keeps_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    log_results("wandb", results(), tmp_path)
    (log,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    # wandb's own process writes the file, on a busy machine a moment after it said that it had.
    for _ in range(300):
        if b"circular accuracy/strict" in log.read_bytes():
            return
        time.sleep(0.1)
    raise AssertionError(log.read_bytes())


def test_a_setting_that_is_not_set_is_not_logged() -> None:
    assert "limit" not in settings_of(results())


def test_without_a_server_mlflow_keeps_the_figures_in_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import mlflow

    monkeypatch.chdir(tmp_path)
    for name in ("TRACKING_URI", "EXPERIMENT_NAME", "EXPERIMENT_ID", "ALLOW_FILE_STORE"):
        monkeypatch.setenv(f"MLFLOW_{name}", "")  # so that what vlmbench sets is taken back
        monkeypatch.delenv(f"MLFLOW_{name}")
    assert main([*ECHO, "--out", "run", "--log", "mlflow"]) == 0
    assert f"mlflow: figures go to {tmp_path / 'mlruns'}" in capsys.readouterr().err
    (kept,) = mlflow.search_runs(experiment_names=["vlmbench"], output_format="list")
    assert kept.data.metrics["errors"] == 0
    assert kept.data.params["limit"] == "3"


def test_tensorboard_reads_the_figures_from_the_run_folder(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log_results("tensorboard", results(), tmp_path)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [point.value for point in events.Scalars("circular accuracy/strict")] == [0.75]


def test_wandb_without_a_login_is_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setenv("WANDB_MODE", "")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    check_tracker("wandb", said.append)
    assert os.environ["WANDB_MODE"] == "offline"
    assert said == [
        f"wandb: offline, figures go to {tmp_path}/wandb; `wandb login` and `wandb sync` send them"
    ]
    monkeypatch.setenv("WANDB_MODE", "")
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password key\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    check_tracker("wandb", said.append)
    assert os.environ["WANDB_MODE"] == ""


@pytest.mark.parametrize(
    ("module", "package"),
    [("mlflow", "mlflow-skinny"), ("wandb", "wandb"), ("tensorboard", "tensorboard")],
)
def test_a_tracker_that_is_not_installed_is_named_before_anything_is_asked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    module: str,
    package: str,
) -> None:
    monkeypatch.setitem(sys.modules, TRACKERS[module][0], None)
    assert main([*ECHO, "--out", str(tmp_path / "run"), "--log", module]) == 2
    assert f"`pip install {package}`" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_store_that_cannot_be_reached_is_named_before_the_model_is_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://me:secret@nowhere")
    assert main([*ECHO, "--out", str(tmp_path / "run"), "--log", "mlflow"]) == 2
    assert "mlflow cannot write to nonsense://…@nowhere" in (shown := capsys.readouterr().err)
    assert "secret" not in shown
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_fails_at_the_end_costs_no_answers_and_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "tensorboard").write_text("a file where a folder must be")
    assert main([*ECHO, "--out", str(tmp_path), "--log", "tensorboard"]) == 1
    assert "tensorboard did not get the figures" in capsys.readouterr().err
    assert (tmp_path / "results.json").is_file()
