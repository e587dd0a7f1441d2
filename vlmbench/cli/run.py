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
import traceback
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlmbench.api.benchmark_data import where_answers_are
from vlmbench.api.finished_before import finished_before
from vlmbench.api.model_opening import close_models
from vlmbench.api.run_names import checked_name
from vlmbench.api.runs import (
    AnswerProgress,
    CompletedRun,
    RunRequest,
    opened,
    run_benchmark,
    run_folder,
    with_jobs_sent,
)
from vlmbench.cli._shared.benchmarks import add_answers_argument, data_of, find_benchmarks
from vlmbench.cli._shared.console import (
    INCOMPLETE,
    complain,
    complain_of_unscored,
    print_json,
    print_rows,
    stdout,
)
from vlmbench.cli._shared.downloading import add_download_argument, fetch_missing
from vlmbench.cli._shared.flags import (
    add_circular_argument,
    add_data_arguments,
    add_format_argument,
    add_log_argument,
    add_map_argument,
    add_plugin_argument,
    add_rules_argument,
    positive,
    seed,
)
from vlmbench.cli._shared.judge import add_judge_arguments, complain_of_judging, judge_of
from vlmbench.cli._shared.models import (
    add_asking_arguments,
    add_decoding_arguments,
    add_detail_argument,
    add_devices_arguments,
    add_engine_argument,
    add_model_arguments,
    add_picture_arguments,
    decoding_choice_of,
    model_of,
)
from vlmbench.cli._shared.parser import options
from vlmbench.domain import Benchmark, Card, Model
from vlmbench.engine.status import RunProgress
from vlmbench.errors import ModelError, UnknownName, UsageError, UserError
from vlmbench.files.json_files import read_object

SHORTENED = 100
"""Characters of a failure's reason in the table; stderr has all of it."""


@dataclass(frozen=True, slots=True)
class BenchmarkOutcome:
    """The results of one of several benchmarks, or why it failed."""

    benchmark: str
    document: Mapping[str, Any] | None = None
    """results.json; None when it failed."""
    failure: str = ""
    logged: bool = True
    """False where the experiment tracker did not get the figures."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `run`."""
    _add_names(parser)
    _add_questions(parser)
    add_decoding_arguments(parser)
    add_answers_argument(parser)
    add_circular_argument(parser)
    add_plugin_argument(parser)
    add_map_argument(parser)
    add_rules_argument(parser)
    add_data_arguments(parser)
    add_download_argument(parser)
    add_model_arguments(parser)
    add_asking_arguments(parser)
    add_picture_arguments(parser)
    add_detail_argument(parser)
    add_engine_argument(parser)
    add_devices_arguments(parser)
    add_judge_arguments(parser)
    add_log_argument(parser)
    add_format_argument(parser)


def _add_names(parser: argparse.ArgumentParser) -> None:
    """Which model is asked which benchmarks, and where its answers go."""
    common = options(parser, "model and benchmarks")
    common.add_argument(
        "--model",
        required=True,
        help="a model folder in any layout, .pth file, hub id, `demo`, `echo`, vllm:PATH (vLLM answers), or "
        "a server: openai:NAME@URL, responses:NAME, anthropic:NAME, gemini:NAME",
    )
    common.add_argument(
        "--bench",
        required=True,
        nargs="+",
        metavar="NAME",
        help="benchmarks, suites (`vlmbench list`), TSV files, datasets (parquet, arrow, jsonl, "
        "hf:OWNER/NAME/SPLIT)",
    )
    common.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/NAME/BENCH)")
    common.add_argument(
        "--name",
        help="what folder, tables and boards call the model (default: the end of its path, or its hub id)",
    )
    common.add_argument(
        "--fresh",
        action="store_true",
        help="ask all again; earlier answers are moved to BENCH.old-1, BENCH.old-2, …",
    )


def _add_questions(parser: argparse.ArgumentParser) -> None:
    """Which questions are asked, and in what words."""
    common, more = options(parser, "questions"), options(parser, "questions", rare=True)
    common.add_argument(
        "--limit",
        type=positive,
        metavar="N",
        help="ask only N groups of rows (most are one row), spread over the categories",
    )
    more.add_argument("--seed", type=seed, default=0, help="for --limit and for sampling (default: 0)")
    common.add_argument("--blind", action="store_true", help="grey pictures: how much can be guessed?")
    common.add_argument(
        "--prompt",
        metavar="STYLE",
        help="prompt style (`vlmbench list styles`), or a YAML file with one (default: the model family's)",
    )
    more.add_argument(
        "--llm-base",
        type=Path,
        metavar="RUN",
        help="a run of the language model alone, to show how much it has memorised",
    )


def execute(args: argparse.Namespace) -> int:
    """Run every benchmark; one that fails does not stop the others."""
    from vlmbench.suites import expand

    benchmarks = find_benchmarks(args, expand(args.bench), limited=args.limit is not None)
    args.bench = [benchmark.card.name for benchmark in benchmarks]
    if twice := [name for name, count in Counter(args.bench).items() if count > 1]:
        raise UsageError(f"`{twice[0]}` is named twice.", key="--bench")
    if args.answers is not None and len(args.bench) > 1:
        raise UsageError(
            "one file cannot answer several benchmarks.", key="--answers", fix="Run them one by one."
        )
    if args.name is not None:
        checked_name(args.name)
    decoding_choice_of(args)
    if args.prompt is not None:
        from vlmbench.prompts import prompt_style

        prompt_style(args.prompt)
    fetch_missing(benchmarks, args, limited=args.limit is not None)
    progress = AnswerProgress()
    if args.log:
        from vlmbench.report.exports.trackers import check_tracker

        check_tracker(args.log, progress.say)
    models: dict[str, Model] = {}
    try:
        request = with_jobs_sent(request_of(args), benchmarks, models, progress)
        outcomes = []
        for place, benchmark in enumerate(benchmarks, 1):
            progress.turn(benchmark.card.name, place, len(benchmarks))
            outcomes.append(_run_one(args, request, benchmark, models, progress))
    finally:
        close_models(models.values())
    documents = [outcome.document for outcome in outcomes if outcome.document is not None]
    if args.format == "json":
        print_json(documents[0] if len(benchmarks) == 1 and documents else documents)
    elif len(outcomes) > 1:
        print()
        print_rows(summary_rows(outcomes))
    if len(documents) < len(outcomes) or not all(outcome.logged for outcome in outcomes):
        return 1
    return 0 if all(document["complete"] for document in documents) else INCOMPLETE


def _run_one(
    args: argparse.Namespace,
    request: RunRequest,
    benchmark: Benchmark,
    models: dict[str, Model],
    progress: RunProgress,
) -> BenchmarkOutcome:
    """Run one benchmark and print it. A failure ends only this one, unless no model could be loaded."""
    from vlmbench.report.results import results_document

    name = benchmark.card.name
    try:
        folder = run_folder(request, name)
        document = finished_before(request, benchmark, folder, lambda: opened(request, models, progress))
        if document is not None:
            rows = document["rows"]
            progress.say(f"{name}: already finished ({rows['answered']:,}/{rows['asked']:,})")
            if not request.several:
                present(document, benchmark.card, folder, args, progress)
        else:
            done = run_benchmark(request, benchmark, models, progress)
            complain_of_cut(done)
            document = results_document(done.run)
            present(document, benchmark.card, folder, args, progress)
            complain_of_missing(done)
        logged = not args.log or log_run(args.log, folder)
        return BenchmarkOutcome(name, document, logged=logged)
    except Exception as error:
        unopened = isinstance(error, (ModelError, UnknownName, UsageError)) and not models
        if len(args.bench) == 1 or unopened:
            raise
        if not isinstance(error, UserError):
            traceback.print_exc()
        complain(f"{name}: {error}")
        return BenchmarkOutcome(name, failure=str(error))


def request_of(args: argparse.Namespace) -> RunRequest:
    """The command line as a value."""
    return RunRequest(
        model=model_of(args),
        name=args.name,
        data=data_of(args),
        judge=judge_of(args),
        rules=args.rules,
        limit=args.limit,
        seed=args.seed,
        blind=args.blind,
        prompt=args.prompt,
        decoding=decoding_choice_of(args),
        max_new_tokens=args.max_new_tokens,
        samples=args.samples,
        out=args.out,
        fresh=args.fresh,
        price=args.price,
        several=len(args.bench) > 1,
    )


def complain_of_cut(done: CompletedRun) -> None:
    """Name the cells that Excel cannot hold whole."""
    if done.cut:
        complain(
            f"{len(done.cut)} cells are longer than Excel allows and are cut in the xlsx files "
            f"(row {done.cut[0].index} first); responses.jsonl has them whole."
        )


def present(
    document: Mapping[str, Any], card: Card, folder: Path, args: argparse.Namespace, progress: RunProgress
) -> None:
    """Print the table of a run and the paths of its files."""
    from vlmbench.report.tables import results_table

    rows = str(folder / "scores.jsonl")
    if args.format == "table":
        results_table(document, console=stdout(), rows=rows)
    else:
        complain_of_unscored(document, rows)
    if document["withheld"] and card.answers:
        progress.say(
            "the benchmark's file has no answers, so nothing is scored: the result is predictions.xlsx"
        )
    if document["withheld"] and (where := where_answers_are(card)):
        progress.say(where)
    say_gain(folder, args.llm_base, progress)
    progress.say(f"files in {folder}")


def complain_of_missing(done: CompletedRun) -> None:
    """Name what the run still lacks: answers, or a judge's reading of them."""
    run = done.run
    left = len(run.samples) - len(run.answered) - run.errors
    if run.errors or left:
        complain(
            f"incomplete: {run.errors} rows with errors, {left} not answered; "
            f"see {done.folder / 'responses.jsonl'}. The same command asks them again."
        )
    complain_of_judging(run)


def say_gain(folder: Path, llm_base: Path | None, progress: RunProgress) -> None:
    """Print how much the pictures are worth, where the same run was made blind as well."""
    from vlmbench.report.gain import GAIN, gain_line, gain_of, twins
    from vlmbench.store import write_json

    gain = gain_of(folder, llm_base)
    if gain is not None:
        write_json(twins(folder)[0] / GAIN, gain)
        progress.say(gain_line(gain))


def log_run(tracker: str, folder: Path) -> bool:
    """Send results.json to an experiment tracker. A failure is printed, costs no answers, and gives False."""
    from vlmbench.report.exports.trackers import log_results, without_users
    from vlmbench.report.results import RESULTS

    try:
        log_results(tracker, read_object(folder / RESULTS), folder)
    except Exception as error:
        complain(
            f"{tracker} did not get the figures: {type(error).__name__}: {without_users(str(error))} "
            "The results are written; the same command logs them again."
        )
        return False
    return True


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
