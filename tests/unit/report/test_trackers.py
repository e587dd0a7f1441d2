"""Figures in experiment trackers: into a real store on disk, where the package is installed."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from finished_runs import circular_run
from samples import metric, rotated
from samples import run as made_run

from vlmbench.cli.main import main
from vlmbench.report.exports.trackers import log_results, metrics_of
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
    log_results("mlflow", results(), (file, tmp_path / "absent"))
    (kept,) = mlflow.search_runs(experiment_names=["vlmbench"], output_format="list")
    assert kept.data.metrics["circular accuracy/strict"] == 0.75
    assert kept.data.params["rules"] == "strict"
    assert kept.info.run_name == "demo Shapes_DEV_EN"
    assert (Path(kept.info.artifact_uri.removeprefix("file://")) / "results.json").is_file()


def test_wandb_keeps_a_run_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    log_results("wandb", results(), ())
    (log,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    # wandb's own process writes the file, on a busy machine a moment after it said that it had.
    for _ in range(300):
        if b"circular accuracy/strict" in log.read_bytes():
            return
        time.sleep(0.1)
    raise AssertionError(log.read_bytes())


def test_a_tracker_that_is_not_installed_is_told_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    assert main([*ECHO, "--out", str(tmp_path / "run"), "--log", "wandb"]) == 2
    assert "pip install wandb" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_tracker_that_fails_costs_no_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nonsense://nowhere")
    assert main([*ECHO, "--out", str(tmp_path), "--log", "mlflow"]) == 0
    assert "mlflow did not get the figures" in capsys.readouterr().err
    assert (tmp_path / "results.json").is_file()
