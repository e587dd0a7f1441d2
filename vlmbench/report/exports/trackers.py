"""The figures of a run in an experiment tracker: MLflow or Weights & Biases.

    vlmbench run … --log mlflow      uses MLFLOW_TRACKING_URI and MLFLOW_EXPERIMENT_NAME
    vlmbench run … --log wandb       uses WANDB_PROJECT, WANDB_MODE and WANDB_DIR

A package is imported only when `--log` names it.
"""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vlmbench.errors import UsageError
from vlmbench.plain_text import visible

TRACKERS: Mapping[str, str] = {"mlflow": "mlflow-skinny", "wandb": "wandb"}
"""Module name, and the package to install for it."""

PROJECT = "vlmbench"
_FORBIDDEN = re.compile(r"[^\w\-. /]", re.ASCII)
_LONGEST_KEY = 200
_LONGEST_VALUE = 400


def require_tracker(name: str) -> None:
    """Raise a UsageError, before the model is asked, where the tracker's package is missing."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"{name} cannot be imported ({error}).", key="--log", fix=f"`pip install {TRACKERS[name]}`."
        ) from None


def log_results(name: str, results: Mapping[str, Any], files: tuple[Path, ...]) -> None:
    """Log one results document as one run of the tracker, with those of `files` that exist."""
    log = {"mlflow": _log_mlflow, "wandb": _log_wandb}[name]
    log(importlib.import_module(name), results, tuple(file for file in files if file.is_file()))


def metrics_of(results: Mapping[str, Any]) -> dict[str, float]:
    """Every figure that is a number, by a name that both trackers accept."""
    return dict(_metrics(results))


def settings_of(results: Mapping[str, Any]) -> dict[str, str]:
    """The settings that the figures depend on."""
    names = ("benchmark", "model", "rules", "style", "limit", "seed", "blind", "partial", "complete")
    return {name: visible(str(results[name]), _LONGEST_VALUE) for name in names}


def _metrics(results: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for rules, part in results["by_rules"].items():
        if part["headline"]["value"] is not None:
            yield _key(f"{part['headline']['name']}/{rules}"), float(part["headline"]["value"])
    headline = results["headline"]
    for name, end in zip(("low", "high"), headline["ci95"] or (), strict=False):
        yield f"headline 95/{name}", float(end)
    for figure in results["metrics"][1:]:
        if figure["value"] is not None:
            yield _key(f"{figure['level']}/{figure['name']}"), float(figure["value"])
    yield "unparsed", float(results["unparsed"]["count"])
    yield "errors", float(results["errors"])


def _key(text: str) -> str:
    """Both trackers accept letters, digits, `-`, `_`, `.`, blanks and `/`, and no `..`."""
    key = re.sub(r"\.{2,}", "_", _FORBIDDEN.sub("_", text))
    return re.sub(r"/+", "/", key).strip("/ .")[:_LONGEST_KEY] or "figure"


def _name(results: Mapping[str, Any]) -> str:
    return visible(f"{results['model']} {results['benchmark']}", 120)


def _log_mlflow(mlflow: Any, results: Mapping[str, Any], files: tuple[Path, ...]) -> None:
    if not (os.environ.get("MLFLOW_EXPERIMENT_NAME") or os.environ.get("MLFLOW_EXPERIMENT_ID")):
        mlflow.set_experiment(PROJECT)
    with mlflow.start_run(run_name=_name(results)):
        mlflow.log_params(settings_of(results))
        mlflow.log_metrics(metrics_of(results))
        for file in files:
            mlflow.log_artifact(str(file))


def _log_wandb(wandb: Any, results: Mapping[str, Any], files: tuple[Path, ...]) -> None:
    project = os.environ.get("WANDB_PROJECT") or PROJECT
    run = wandb.init(
        project=project, name=_name(results), config=settings_of(results), reinit="finish_previous"
    )
    try:
        run.summary.update(metrics_of(results))
        for file in files:
            run.save(str(file), base_path=str(file.parent), policy="now")
    finally:
        run.finish()
