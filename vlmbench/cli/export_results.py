"""A run's figures in the formats of other tools: the Hub, Every Eval Ever, inspect_ai."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.cli._shared.flags import stdout
from vlmbench.errors import UsageError
from vlmbench.store import make_folder, write_text

if TYPE_CHECKING:
    from vlmbench.finished import FinishedRun

FORMATS = ("hub", "eval-results", "every-eval-ever", "inspect")


def add_result_arguments(parser: argparse.ArgumentParser) -> None:
    """What these formats ask for."""
    group = parser.add_argument_group("hub, eval-results, every-eval-ever, inspect")
    group.add_argument("--hub-dataset", metavar="ID", help="the benchmark's dataset on the Hub")
    group.add_argument("--hub-task", metavar="ID", default="default", help="its task (default: default)")
    group.add_argument("--source-url", metavar="URL", help="where the answers can be seen (eval-results)")
    group.add_argument("--model-id", metavar="DEVELOPER/MODEL", help="the model's name on the Hub")
    group.add_argument(
        "--organization", metavar="NAME", default="unknown", help="who ran this (every-eval-ever)"
    )


def export_results(args: argparse.Namespace) -> int:
    """Write, and say where."""
    from vlmbench.report.runs import open_run

    run = open_run(args.run, data_dir=args.data_dir, plugins=args.plugin)
    for path, text in _files(run, args).items():
        make_folder(path.parent)
        write_text(path, text)
        stdout().print(f"wrote {path}", markup=False, soft_wrap=True)
    return 0


def _files(run: FinishedRun, args: argparse.Namespace) -> Mapping[Path, str]:
    if args.format == "hub":
        from vlmbench.report.exports.hub import model_card

        name = args.model_id or Path(run.model).name
        text = model_card(run, model_name=name, dataset=args.hub_dataset)
        return {args.out or args.run / "model-index.md": text}
    if args.format == "eval-results":
        return {args.out or _in_eval_results(args.run, run.benchmark): _eval_results(run, args)}
    if args.format == "inspect":
        from vlmbench.report.exports.inspect_ai import inspect_log

        text = json.dumps(inspect_log(run), ensure_ascii=False, indent=1, allow_nan=False) + "\n"
        return {args.out or args.run / "inspect.json": text}
    from vlmbench.report.exports.every_eval_ever import every_eval_ever

    files = every_eval_ever(run, model_id=args.model_id, organization=args.organization)
    root = args.out or args.run / "every_eval_ever"
    return {root / path: text for path, text in files.items()}


def _in_eval_results(folder: Path, benchmark: str) -> Path:
    from vlmbench.cli.run import folder_name

    return folder / ".eval_results" / f"{folder_name(benchmark)}.yaml"


def _eval_results(run: FinishedRun, args: argparse.Namespace) -> str:
    from vlmbench.report.exports.hub import eval_results

    if args.hub_dataset is None:
        raise UsageError(
            "`.eval_results` must name the benchmark's dataset on the Hub.",
            key="--hub-dataset",
            fix="It is the id of the dataset whose page shows the leaderboard, such as `cais/hle`.",
        )
    return eval_results(run, dataset=args.hub_dataset, task=args.hub_task, source_url=args.source_url)
