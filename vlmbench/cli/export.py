"""Write a run's submission file from its stored answers and check it; or write its figures for other tools.

vlmbench export runs/demo/Shapes_TEST_EN --format mmbench
vlmbench export runs/demo/MMMU_TEST --format mmmu
vlmbench export runs/demo/Shapes_DEV_EN --format hub
vlmbench export runs/demo/Shapes_DEV_EN --format eval-results --hub-dataset OWNER/NAME
vlmbench export runs/demo/Shapes_DEV_EN --format every-eval-ever --model-id OWNER/MODEL
vlmbench export runs/demo/Shapes_DEV_EN --format inspect
vlmbench export runs/demo --to hub --model-id OWNER/MODEL
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.cli._shared.benchmarks import find_benchmark, open_benchmark
from vlmbench.cli._shared.console import print_line, stdout
from vlmbench.cli._shared.flags import add_data_arguments, add_plugin_argument
from vlmbench.domain import Benchmark, RuleSet, Sample
from vlmbench.errors import UnknownName, UsageError
from vlmbench.store import make_folder, write_text

if TYPE_CHECKING:
    from vlmbench.data.table import Table
    from vlmbench.finished import FinishedRun

FORMATS = ("hub", "eval-results", "every-eval-ever", "inspect")
"""Formats of other tools, which take the figures of a run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `export`."""
    parser.add_argument(
        "run",
        nargs="+",
        type=Path,
        metavar="RUN",
        help="a run folder; with --to hub also several, or runs/NAME for all of a model's",
    )
    parser.add_argument(
        "--format",
        choices=("mmbench", "mmmu", "predictions", *FORMATS),
        metavar="FORMAT",
        help=f"mmbench, mmmu, predictions, {', '.join(FORMATS)} (default: what the benchmark's server took)",
    )
    parser.add_argument("--to", choices=("hub",), help="show what a push to --model-id would change there")
    parser.add_argument("--push", action="store_true", help="with --to hub: push it")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to write (default: into RUN)")
    parser.add_argument(
        "--bench",
        metavar="NAME",
        help="the benchmark (default: the run's own); for a TSV that has moved, its path",
    )
    add_plugin_argument(parser)
    add_data_arguments(parser)
    add_result_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Write, check, and print where it is."""
    if args.push and not args.to:
        raise UsageError("only `--to hub` pushes.", key="--push")
    if args.to:
        return push_results(args)
    if len(args.run) > 1:
        raise UsageError("only `--to hub` takes several runs.", key="RUN", fix="Export them one by one.")
    (args.run,) = args.run
    if args.format in FORMATS:
        return export_results(args)
    from vlmbench.answers.responses import written
    from vlmbench.evaluation import read_samples
    from vlmbench.report.questions import benchmark_of_run
    from vlmbench.store import read_responses, read_run

    about = read_run(args.run)
    spec = about["spec"]
    if args.bench:
        benchmark = find_benchmark(args, args.bench)
    else:
        benchmark = benchmark_of_run(args.run, about, args.data_dir, args.plugin)
    table = open_benchmark(benchmark, args)
    samples = read_samples(benchmark, table)
    responses = read_responses(args.run)
    form = args.format or ("mmmu" if hasattr(benchmark, "submission") else "mmbench")
    # A submission has the answers alone; the table is VLMEvalKit's, which has thoughts in them.
    text_of = written if form == "predictions" else attrgetter("text")
    texts = [text_of(responses[s.id]) if s.id in responses else "" for s in samples]
    if form == "mmmu":
        return export_by_id(args, benchmark, samples, texts, spec)
    return export_sheet(args, form, table, samples, texts)


def export_sheet(
    args: argparse.Namespace, form: str, table: Table, samples: Sequence[Sample], texts: Sequence[str]
) -> int:
    """A workbook: a submission, or every row for reading."""
    from vlmbench.cli.check_submission import print_findings
    from vlmbench.report.exports.mmbench import check_submission, write_mmbench_result
    from vlmbench.report.exports.sheets import write_predictions_xlsx
    from vlmbench.report.results import PREDICTIONS, SUBMISSION

    if form == "predictions":
        out = args.out or args.run / PREDICTIONS
        write_predictions_xlsx(out, table.columns, samples, texts)
    else:
        out = args.out or args.run / SUBMISSION
        write_mmbench_result(out, samples, texts)
    findings = check_submission(out, samples)
    stdout().print(f"wrote {out}")
    return print_findings(findings)


def export_by_id(
    args: argparse.Namespace,
    benchmark: Benchmark,
    samples: Sequence[Sample],
    texts: Sequence[str],
    spec: dict[str, str],
) -> int:
    """A JSON mapping from each question's id to its answer, as MMMU's server took it."""
    from vlmbench.model_names import folder_of
    from vlmbench.store import write_json

    submission = getattr(benchmark, "submission", None)
    if submission is None:
        raise UsageError(f"{benchmark.card.name} has no submission in MMMU's format.", key="--format")
    called = "_".join(folder_of(spec.get("name") or spec["model"]).parts)
    out = args.out or args.run / f"{called}_{benchmark.card.name}.json"
    rules: RuleSet = spec["rules"]  # type: ignore[assignment]
    answers = dict(zip((s.id for s in samples), texts, strict=True))
    document = submission(samples, answers, rules)
    write_json(out, document)
    stdout().print(f"wrote {out}")
    empty = sum(not text for text in texts)
    unparsed = sum(answer is False for answer in document.values())
    if len(document) < len(samples):
        stdout().print(
            f"[red]error[/red] {len(samples) - len(document)} ids occur more than once", markup=True
        )
        return 1
    if empty or unparsed:
        stdout().print(f"warning: {empty} answers are empty, {unparsed} name no option")
    return 0


def add_result_arguments(parser: argparse.ArgumentParser) -> None:
    """What the formats of other tools ask for."""
    group = parser.add_argument_group("hub, eval-results, every-eval-ever, inspect; --to hub")
    group.add_argument(
        "--hub-dataset",
        action="extend",
        nargs="+",
        metavar="ID",
        help="the benchmark's dataset on the Hub; of several benchmarks, BENCH=ID for each",
    )
    group.add_argument(
        "--hub-task", metavar="ID", default="default", help="the dataset's task (default: default)"
    )
    group.add_argument("--source-url", metavar="URL", help="page that shows the answers (eval-results)")
    group.add_argument("--model-id", metavar="DEVELOPER/MODEL", help="the model's name on the Hub")
    group.add_argument(
        "--organization", metavar="NAME", default="unknown", help="who ran this (every-eval-ever)"
    )


def export_results(args: argparse.Namespace) -> int:
    """Write the figures for another tool."""
    from vlmbench.report.runs import open_run

    run = open_run(args.run, data_dir=args.data_dir, plugins=args.plugin)
    for path, text in _files(run, args).items():
        make_folder(path.parent)
        write_text(path, text)
        print_line(f"wrote {path}")
    return 0


def push_results(args: argparse.Namespace) -> int:
    """Print what would change in the model's repository; with `--push`, change it."""
    from vlmbench.report.exports.hub_push import plan_push, push
    from vlmbench.report.runs import open_run, run_folders

    if args.format or args.out:
        raise UsageError("`--to hub` writes no file.", key="--format" if args.format else "--out")
    if args.model_id is None:
        raise UsageError("which repository?", key="--model-id", fix="Name it: --model-id OWNER/MODEL.")
    folders = [folder for path in args.run for folder in run_folders(path)]
    runs = [open_run(folder, data_dir=args.data_dir, plugins=args.plugin) for folder in folders]
    plan = plan_push(
        runs,
        args.model_id,
        datasets=_hub_datasets(args, [run.benchmark for run in runs]),
        task=args.hub_task,
        source_url=args.source_url,
    )
    there = f"at commit {plan.commit[:12]}" if plan.commit else "a new repository, private"
    print_line(f"{plan.url} ({there}): {len(plan.files)} files change")
    for file in plan.files:
        state = "new" if file.before is None else "changed"
        print_line(f"{file.path}: {state}, {len(file.after.encode()):,} bytes")
        for line in file.diff():
            print_line(line)
    if not plan.files:
        return 0
    if args.push:
        names = ", ".join(run.benchmark for run in runs)
        print_line(f"pushed: {push(plan, f'vlmbench: {names}')}")
    else:
        print_line("nothing was sent; the same command with --push sends it")
    return 0


def _files(run: FinishedRun, args: argparse.Namespace) -> Mapping[Path, str]:
    if args.format == "hub":
        from vlmbench.report.exports.hub import model_card

        name = args.model_id or Path(run.name).name
        dataset = _hub_datasets(args, [run.benchmark]).get(run.benchmark)
        text = model_card(run, model_name=name, dataset=dataset)
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
    from vlmbench.model_names import safe_name

    return folder / ".eval_results" / f"{safe_name(benchmark)}.yaml"


def _eval_results(run: FinishedRun, args: argparse.Namespace) -> str:
    from vlmbench.report.exports.hub import eval_results

    if args.hub_dataset is None:
        raise UsageError(
            "`.eval_results` must name the benchmark's dataset on the Hub.",
            key="--hub-dataset",
            fix="It is the id of the dataset whose page shows the leaderboard, such as `cais/hle`.",
        )
    dataset = _hub_datasets(args, [run.benchmark])[run.benchmark]
    return eval_results(run, dataset=dataset, task=args.hub_task, source_url=args.source_url)


def _hub_datasets(args: argparse.Namespace, benchmarks: Sequence[str]) -> dict[str, str]:
    """The dataset on the Hub by benchmark, of those for which one is named."""
    found: dict[str, str] = {}
    for item in args.hub_dataset or ():
        benchmark, equals, dataset = item.rpartition("=")
        if not equals and len(benchmarks) > 1:
            raise UsageError(
                f"of which benchmark is `{item}` the dataset?",
                key="--hub-dataset",
                fix=f"Write {benchmarks[0]}={item}.",
            )
        if equals and benchmark not in benchmarks:
            raise UnknownName("benchmark among these runs", benchmark, benchmarks)
        found[benchmark or benchmarks[0]] = dataset
    return found
