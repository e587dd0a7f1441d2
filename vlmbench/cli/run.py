"""Evaluate a model on one benchmark or several.

    vlmbench run --model demo --bench Shapes_DEV_EN
    vlmbench run --model PATH --bench MMBench_DEV_EN CCBench --limit 50
    vlmbench run --model PATH --bench all-llava-table
    vlmbench run --model PATH --bench mine.tsv --circular

Answers are written to the run folder as they come, and the same command continues where it stopped. If the
model, the dataset, the prompt or the decoding has changed since, the command stops and names what changed.
"""

from __future__ import annotations

import argparse
import re
import time
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.cli._shared.benchmarks import (
    add_answers_argument,
    answered_rows,
    find_benchmarks,
    open_benchmark,
    where_answers_are,
)
from vlmbench.cli._shared.console import complain, complain_of_unscored, print_json, print_rows, stdout
from vlmbench.cli._shared.flags import (
    add_circular_argument,
    add_data_arguments,
    add_format_argument,
    add_log_argument,
    add_plugin_argument,
    add_rules_argument,
    positive,
    seed,
)
from vlmbench.cli._shared.judge import add_judge_arguments, complain_of_judging, open_judge
from vlmbench.cli._shared.models import (
    add_decoding_arguments,
    add_devices_arguments,
    add_model_arguments,
    close_models,
    decoding_of,
    open_model,
    parts_of,
    say_decoding,
)
from vlmbench.cli._shared.progress import AnswerProgress
from vlmbench.domain import Benchmark, Card, Model, Run, RunSpec
from vlmbench.engine.status import RunProgress
from vlmbench.errors import ModelError, UnknownName, UsageError, UserError
from vlmbench.files.json_files import read_object

INCOMPLETE = 4
SHORTENED = 100
"""Characters of a failure's reason in the table; stderr has all of it."""


@dataclass(frozen=True, slots=True)
class BenchmarkOutcome:
    """The results of one of several benchmarks, or why it failed."""

    benchmark: str
    document: Mapping[str, Any] | None = None
    """results.json; None when it failed."""
    failure: str = ""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `run`."""
    parser.add_argument(
        "--model",
        required=True,
        help="a model folder in any layout, a .pth file, a hub id, `demo`, `echo`, vllm:PATH (vLLM answers), "
        "openai:NAME@URL (a server)",
    )
    parser.add_argument(
        "--bench",
        required=True,
        nargs="+",
        metavar="NAME",
        help="benchmarks, TSV files, suites (`vlmbench list`)",
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/MODEL/BENCH)")
    parser.add_argument("--fresh", action="store_true", help="delete the earlier answers in the run folder")
    parser.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="ask only N groups of rows (most are one row), spread over the categories",
    )
    parser.add_argument("--seed", type=seed, default=0, help="for --limit and for sampling (default: 0)")
    parser.add_argument(
        "--blind", action="store_true", help="replace every picture by a grey one: how much can be guessed?"
    )
    parser.add_argument("--prompt", metavar="STYLE", help="prompt style (default: the model family's)")
    add_decoding_arguments(parser)
    add_answers_argument(parser)
    add_circular_argument(parser)
    add_plugin_argument(parser)
    parser.add_argument(
        "--llm-base",
        type=Path,
        metavar="RUN",
        help="a run of the language model alone, to show how much it has memorised",
    )
    add_rules_argument(parser)
    add_data_arguments(parser)
    add_model_arguments(parser)
    parser.add_argument(
        "--batch-size",
        type=batch_size,
        default="auto",
        metavar="N",
        help="questions at a time (default: auto)",
    )
    parser.add_argument(
        "--rpm", type=positive, metavar="N", help="at most N requests a minute (openai: models)"
    )
    add_devices_arguments(parser)
    add_judge_arguments(parser)
    add_log_argument(parser)
    add_format_argument(parser)


def batch_size(text: str) -> int | str:
    """An argparse type: `auto` or a whole number from 1."""
    return text if text == "auto" else positive(text)


def execute(args: argparse.Namespace) -> int:
    """Run every benchmark; one that fails does not stop the others."""
    from vlmbench.suites import expand

    benchmarks = find_benchmarks(args, expand(args.bench))
    args.bench = [benchmark.card.name for benchmark in benchmarks]
    if twice := [name for name, count in Counter(args.bench).items() if count > 1]:
        raise UsageError(f"`{twice[0]}` is named twice.", key="--bench")
    if args.answers is not None and len(args.bench) > 1:
        raise UsageError(
            "one file cannot answer several benchmarks.", key="--answers", fix="Run them one by one."
        )
    if args.prompt is not None:
        from vlmbench.prompts import prompt_style

        prompt_style(args.prompt)
    if args.log:
        from vlmbench.report.exports.trackers import require_tracker

        require_tracker(args.log)
    progress = AnswerProgress()
    models: dict[str, Model] = {}
    try:
        outcomes = [_run_one(args, benchmark, models, progress) for benchmark in benchmarks]
    finally:
        close_models(models.values())
    documents = [outcome.document for outcome in outcomes if outcome.document is not None]
    if args.format == "json":
        print_json(documents[0] if len(benchmarks) == 1 and documents else documents)
    elif len(outcomes) > 1:
        print()
        print_rows(summary_rows(outcomes))
    if len(documents) < len(outcomes):
        return 1
    return 0 if all(document["complete"] for document in documents) else INCOMPLETE


def _run_one(
    args: argparse.Namespace,
    benchmark: Benchmark,
    models: dict[str, Model],
    progress: RunProgress,
) -> BenchmarkOutcome:
    """Run one benchmark and print it. A failure ends only this one, unless no model could be loaded."""
    name = benchmark.card.name
    try:
        run, folder = run_benchmark(args, benchmark, models, progress)
        return BenchmarkOutcome(name, present(run, folder, args, progress))
    except Exception as error:
        unopened = isinstance(error, (ModelError, UnknownName, UsageError)) and not models
        if len(args.bench) == 1 or unopened:
            raise
        if not isinstance(error, UserError):
            traceback.print_exc()
        complain(f"{name}: {error}")
        return BenchmarkOutcome(name, failure=str(error))


def run_benchmark(
    args: argparse.Namespace, benchmark: Benchmark, models: dict[str, Model], progress: RunProgress
) -> tuple[Run, Path]:
    """Open the data, evaluate, write the files. `models` keeps the loaded model for the next benchmark."""
    from vlmbench.engine.status import StatusFile
    from vlmbench.evaluate import evaluate
    from vlmbench.store import RunFolder

    path = run_folder(args, benchmark.card.name)
    with RunFolder(path, fresh=args.fresh) as folder, StatusFile(path, progress) as status:
        table = open_benchmark(benchmark, args)
        rows, joined = answered_rows(args, benchmark.card, table)
        model = models.get(args.model) or _load(args, status)
        models[args.model] = model
        status.of(model)
        judge = open_judge(args, folder.path, progress)
        spec = spec_of(args, benchmark.card, model)
        say_decoding(args, spec, progress)
        run = evaluate(spec, benchmark, table, model, folder, status, judge, rows=rows, joined=joined)
        from vlmbench.report.results import write_run_files

        cut = write_run_files(run, folder.path)
        if cut:
            complain(
                f"{len(cut)} cells are longer than Excel allows and are cut in the xlsx files "
                f"(row {cut[0].index} first); responses.jsonl has them whole."
            )
    if args.log:
        log_run(args.log, folder.path)
    return run, folder.path


def present(run: Run, folder: Path, args: argparse.Namespace, progress: RunProgress) -> dict[str, Any]:
    """Print the table of a run and the paths of its files; returns the results document."""
    from vlmbench.report.results import results_document
    from vlmbench.report.tables import results_table

    document, rows = results_document(run), str(folder / "scores.jsonl")
    if args.format == "table":
        results_table(document, console=stdout(), rows=rows)
    else:
        complain_of_unscored(document, rows)
    if document["withheld"] and run.card.answers:
        progress.say(
            "the benchmark's file has no answers, so nothing is scored: the result is predictions.xlsx"
        )
    if document["withheld"] and (where := where_answers_are(run.card)):
        progress.say(where)
    say_gain(folder, args.llm_base, progress)
    progress.say(f"files in {folder}")
    left = len(run.samples) - len(run.responses)
    if run.errors or left:
        complain(
            f"incomplete: {run.errors} rows with errors, {left} not answered; "
            f"see {folder / 'responses.jsonl'}. The same command asks them again."
        )
    complain_of_judging(run)
    return document


def say_gain(folder: Path, llm_base: Path | None, progress: RunProgress) -> None:
    """Print how much the pictures are worth, where the same run was made blind as well."""
    from vlmbench.report.gain import GAIN, gain_line, gain_of, twins
    from vlmbench.store import write_json

    gain = gain_of(folder, llm_base)
    if gain is not None:
        write_json(twins(folder)[0] / GAIN, gain)
        progress.say(gain_line(gain))


def run_folder(args: argparse.Namespace, benchmark: str) -> Path:
    """`--out`, or runs/MODEL/BENCH; a blind run has a folder of its own."""
    name = f"{benchmark}-blind" if args.blind else benchmark
    if args.out is None:
        return Path("runs") / folder_name(args.model) / name
    return Path(args.out) if len(args.bench) == 1 else Path(args.out) / name


def folder_name(model: str) -> str:
    """A model's name as a folder name: its last path component, without special characters."""
    served = re.fullmatch(r"openai:(.+?)@https?://.*", model, re.IGNORECASE)
    engine, path = ("-vllm", model[5:]) if model.lower().startswith("vllm:") else ("", model)
    last = (served[1] if served else path).rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    # The same weights answered by another engine are another run.
    last += engine
    return re.sub(r"[^\w.=+-]+", "_", last).strip("._") or "model"


def spec_of(args: argparse.Namespace, card: Card, model: Model) -> RunSpec:
    """The run this command line asks for."""
    style = args.prompt or model.style
    return RunSpec(
        model=args.model,
        benchmark=card.name,
        style=style,
        decoding=decoding_of(args, style, card.family),
        rules=args.rules,
        seed=args.seed,
        limit=args.limit,
        blind=args.blind,
    )


def _load(args: argparse.Namespace, progress: RunProgress) -> Model:
    started = time.perf_counter()
    options = {
        "device": args.device,
        "dtype": args.dtype,
        "batch_size": args.batch_size,
        "trust_remote_code": args.trust_remote_code,
        "requests_per_minute": args.rpm,
        **parts_of(args),
    }
    model = open_model(args, options, progress)
    reach = getattr(model, "reach", None)
    if reach is not None:  # a server that does not answer fails here, once, and not for every benchmark
        reach(progress.say)
    progress.say(f"loaded {model.name} in {time.perf_counter() - started:.1f} s")
    return model


def log_run(tracker: str, folder: Path) -> None:
    """Send results.json to an experiment tracker. A failure is printed and costs no answers."""
    from vlmbench.report.exports.trackers import log_results
    from vlmbench.report.results import RESULTS

    try:
        log_results(tracker, read_object(folder / RESULTS), (folder / RESULTS,))
    except Exception as error:
        complain(f"{tracker} did not get the figures: {type(error).__name__}: {error}")


def summary_rows(outcomes: Sequence[BenchmarkOutcome]) -> list[dict[str, Any]]:
    """One line a benchmark: its headline, or why there is none."""
    return [_row(outcome) for outcome in outcomes]


def _row(outcome: BenchmarkOutcome) -> dict[str, Any]:
    row = dict.fromkeys(("benchmark", "figure", "score", "95 %", "n", "state"), "")
    row["benchmark"] = outcome.benchmark
    if outcome.document is None:
        return row | {"state": f"failed: {outcome.failure[:SHORTENED]}"}
    document = outcome.document
    headline = document["headline"]
    interval = headline["ci95"]
    return row | {
        "figure": headline["name"],
        "score": _number(headline["value"], headline["unit"]) or _why_none(document),
        "95 %": "–".join(_number(end, headline["unit"]) for end in interval) if interval else "",
        "n": headline["n"],
        "state": _state(document),
    }


def _number(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    return f"{value * 100:.1f} %" if unit == "fraction" else f"{value:.1f}"


def _why_none(document: Mapping[str, Any]) -> str:
    return "withheld" if document["withheld"] else "not scored"


def _state(document: Mapping[str, Any]) -> str:
    marks = [mark for mark in ("partial", "blind") if document[mark]]
    if not document["complete"]:
        left = document["rows"]["asked"] - document["rows"]["answered"]
        marks.append(f"incomplete ({left} without an answer)")
    return ", ".join(marks or ["complete"])
