"""`--log`: the figures of a run to an experiment tracker too."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.cli.main import complain
from vlmbench.files.json_files import read_object


def add_log_argument(parser: argparse.ArgumentParser) -> None:
    """Which tracker."""
    parser.add_argument("--log", choices=("mlflow", "wandb"), help="figures to an experiment tracker too")


def log_run(tracker: str, folder: Path) -> None:
    """What results.json says, to an experiment tracker; one that fails costs no answers."""
    from vlmbench.report.exports.trackers import log_results
    from vlmbench.report.files import RESULTS

    try:
        log_results(tracker, read_object(folder / RESULTS), (folder / RESULTS,))
    except Exception as error:
        complain(f"{tracker} was not told: {type(error).__name__}: {error}")
