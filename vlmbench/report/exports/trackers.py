"""The figures of a run in an experiment tracker: MLflow, Weights & Biases or TensorBoard.

    vlmbench run … --log mlflow        MLFLOW_TRACKING_URI, else mlruns/; MLFLOW_EXPERIMENT_NAME
    vlmbench run … --log wandb         WANDB_PROJECT, WANDB_MODE, WANDB_DIR; not logged in: offline
    vlmbench run … --log tensorboard   tensorboard/ in the run folder

A package is imported only when `--log` names it. `check_tracker` runs before the model is loaded.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import netrc
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from vlmbench.errors import UsageError
from vlmbench.plain_text import visible
from vlmbench.report.results import RESULTS

TRACKERS: Mapping[str, tuple[str, str]] = {
    "mlflow": ("mlflow", "mlflow-skinny"),
    "wandb": ("wandb", "wandb"),
    "tensorboard": ("torch.utils.tensorboard", "tensorboard"),
}
"""Module to import, and the package to install for it."""

PROJECT = "vlmbench"
BOARD = "tensorboard"
"""TensorBoard's folder in a run folder."""
_FORBIDDEN = re.compile(r"[^\w\-. /]", re.ASCII)
_USER = re.compile(r"://[^/\s]*@")
_LONGEST_KEY = 200
_LONGEST_VALUE = 400
_RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"


def check_tracker(name: str, say: Callable[[str], None]) -> None:
    """Raise a UsageError where the tracker could not take figures; `say` receives where they will be.

    What it chooses is set in this process's environment, so that processes of a training choose the same.
    """
    module, package = TRACKERS[name]
    try:
        tracker = importlib.import_module(module)
    except ImportError as error:
        raise UsageError(
            f"{name} cannot be imported ({error}).", key="--log", fix=f"`pip install {package}`."
        ) from None
    if name == "mlflow":
        _check_mlflow(tracker, say)
    elif name == "wandb":
        _check_wandb(say)


def _check_mlflow(mlflow: Any, say: Callable[[str], None]) -> None:
    """Reach the store. The small package has none but a folder; the whole one has its own default."""
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    if not mlflow.is_tracking_uri_set() and importlib.util.find_spec("sqlalchemy") is None:
        os.environ["MLFLOW_TRACKING_URI"] = Path("mlruns").absolute().as_uri()
        say(f"mlflow: figures go to {Path('mlruns').absolute()}")
    if mlflow.get_tracking_uri().startswith("file:"):
        # MLflow keeps the folder as it was, and asks that its users say that they know.
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    try:
        with _few_retries():
            _choose_experiment(mlflow)
    except Exception as error:
        raise UsageError(
            f"mlflow cannot write to {without_users(mlflow.get_tracking_uri())}: {without_users(str(error))}",
            key="--log",
            fix="Set MLFLOW_TRACKING_URI to a server or a folder (file:///…), or unset it; a database needs "
            "`pip install mlflow`.",
        ) from None


def without_users(text: str, most: int = 300) -> str:
    """A tracker's words on one line, without the user and the password of addresses in it."""
    return visible(_USER.sub("://…@", text), most)


@contextlib.contextmanager
def _few_retries() -> Iterator[None]:
    """A server that is down is known within seconds, not minutes."""
    ours = _RETRIES not in os.environ
    if ours:
        os.environ[_RETRIES] = "1"
    try:
        yield
    finally:
        if ours:
            del os.environ[_RETRIES]


def _choose_experiment(mlflow: Any) -> None:
    if os.environ.get("MLFLOW_EXPERIMENT_NAME") or os.environ.get("MLFLOW_EXPERIMENT_ID"):
        mlflow.search_experiments(max_results=1)
    else:
        mlflow.set_experiment(PROJECT)


def _check_wandb(say: Callable[[str], None]) -> None:
    if not os.environ.get("WANDB_MODE") and not _is_logged_in():
        os.environ["WANDB_MODE"] = "offline"
    if os.environ.get("WANDB_MODE") == "offline":
        folder = Path(os.environ.get("WANDB_DIR") or ".").absolute() / "wandb"
        say(f"wandb: offline, figures go to {folder}; `wandb login` and `wandb sync` send them")


def _is_logged_in() -> bool:
    """Whether wandb would find a key; wandb itself keeps the mode in which it was first asked."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL") or "https://api.wandb.ai").hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


def log_results(name: str, results: Mapping[str, Any], folder: Path) -> None:
    """Log the results document of a run folder as one run of the tracker."""
    log = {"mlflow": _log_mlflow, "wandb": _log_wandb, "tensorboard": _log_tensorboard}[name]
    log(importlib.import_module(TRACKERS[name][0]), results, folder)


def metrics_of(results: Mapping[str, Any]) -> dict[str, float]:
    """Every figure that is a number, by a name that both trackers accept."""
    return dict(_metrics(results))


def settings_of(results: Mapping[str, Any]) -> dict[str, str]:
    """The settings that the figures depend on."""
    names = ("benchmark", "model", "rules", "style", "limit", "seed", "blind", "partial", "complete")
    return {name: visible(str(results[name]), _LONGEST_VALUE) for name in names if results[name] is not None}


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
    return visible(f"{results.get('name') or results['model']} {results['benchmark']}", 120)


def _log_mlflow(mlflow: Any, results: Mapping[str, Any], folder: Path) -> None:
    _choose_experiment(mlflow)
    with mlflow.start_run(run_name=_name(results)):
        mlflow.log_params(settings_of(results))
        mlflow.log_metrics(metrics_of(results))
        if (file := folder / RESULTS).is_file():
            mlflow.log_artifact(str(file))


def _log_wandb(wandb: Any, results: Mapping[str, Any], folder: Path) -> None:
    project = os.environ.get("WANDB_PROJECT") or PROJECT
    run = wandb.init(
        project=project, name=_name(results), config=settings_of(results), reinit="finish_previous"
    )
    try:
        run.summary.update(metrics_of(results))
        if (file := folder / RESULTS).is_file():
            run.save(str(file), base_path=str(folder), policy="now")
    finally:
        run.finish()


def _log_tensorboard(tensorboard: Any, results: Mapping[str, Any], folder: Path) -> None:
    with tensorboard.SummaryWriter(str(folder / BOARD)) as writer:
        for name, value in metrics_of(results).items():
            writer.add_scalar(name, value, 0)
        writer.add_text("settings", "\n".join(f"- {k}: {v}" for k, v in settings_of(results).items()), 0)
