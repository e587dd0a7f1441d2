"""Evaluate a model on one benchmark or several.

    vlmbench run --model demo --bench Shapes_DEV_EN
    vlmbench run --model PATH --bench MMBench_DEV_EN CCBench --limit 50

Answers are written to the run folder as they come. The same command continues where it stopped;
a changed model, dataset, prompt or decoding setting is refused with what changed.
"""

from __future__ import annotations

import argparse
import re
import time
from pathlib import Path
from typing import Any

from vlmbench.cli.common import (
    add_data_arguments,
    add_format_argument,
    add_rules_argument,
    open_benchmark,
    positive,
    print_json,
    stdout,
)
from vlmbench.cli.main import complain
from vlmbench.cli.progress import watch
from vlmbench.domain import Benchmark, Decoding, Model, Run, RunSpec
from vlmbench.engine.watch import Watch
from vlmbench.errors import UserError

INCOMPLETE = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `run`."""
    parser.add_argument("--model", required=True, help="a model folder, a hub id, `demo` or `echo`")
    parser.add_argument("--bench", required=True, nargs="+", metavar="NAME", help="see `vlmbench list`")
    parser.add_argument("--out", type=Path, metavar="DIR", help="run folder (default: runs/MODEL/BENCH)")
    parser.add_argument("--fresh", action="store_true", help="throw earlier answers of this run folder away")
    parser.add_argument(
        "--limit", type=positive, metavar="N", help="ask N whole groups, stratified by category"
    )
    parser.add_argument("--seed", type=int, default=0, help="chooses the groups of --limit (default: 0)")
    parser.add_argument(
        "--blind", action="store_true", help="grey pictures: what is guessed without looking?"
    )
    parser.add_argument("--prompt", metavar="STYLE", help="prompt style (default: the model family's)")
    parser.add_argument("--max-new-tokens", type=positive, metavar="N", help="default: the prompt style's")
    add_rules_argument(parser)
    add_data_arguments(parser)
    add_model_arguments(parser)
    add_format_argument(parser)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """How the model is loaded."""
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default: auto)")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16, float16 (default: auto)")
    parser.add_argument("--batch-size", type=batch_size, default="auto", metavar="N", help="default: auto")
    parser.add_argument(
        "--trust-remote-code", action="store_true", help="run code that the model folder ships"
    )
    parser.add_argument(
        "--rpm", type=positive, metavar="N", help="at most N requests a minute (openai: models)"
    )


def batch_size(text: str) -> int | str:
    """An argparse type: `auto` or a whole number from 1."""
    return text if text == "auto" else positive(text)


def execute(args: argparse.Namespace) -> int:
    """Run every benchmark named; a failure of one does not stop the others."""
    from vlmbench.registry import load_benchmark

    benchmarks = [load_benchmark(name) for name in args.bench]
    if args.prompt is not None:
        from vlmbench.prompts import prompt_style

        prompt_style(args.prompt)
    onlooker = watch()
    models: dict[str, Model] = {}
    documents: list[dict[str, Any]] = []
    codes = [_run_one(args, benchmark, models, onlooker, documents) for benchmark in benchmarks]
    if args.format == "json":
        print_json(documents[0] if len(benchmarks) == 1 and documents else documents)
    return 1 if 1 in codes else max(codes)


def _run_one(
    args: argparse.Namespace,
    benchmark: Benchmark,
    models: dict[str, Model],
    onlooker: Watch,
    documents: list[dict[str, Any]],
) -> int:
    try:
        run, folder = run_benchmark(args, benchmark, models, onlooker)
    except UserError as error:
        if len(args.bench) == 1:
            raise
        complain(f"{benchmark.card.name}: {error}")
        return 1
    documents.append(present(run, folder, args.format, onlooker))
    return 0 if run.complete else INCOMPLETE


def run_benchmark(
    args: argparse.Namespace, benchmark: Benchmark, models: dict[str, Model], onlooker: Watch
) -> tuple[Run, Path]:
    """Open the data, load the model unless it is loaded, evaluate. `models` keeps what is loaded."""
    from vlmbench.evaluate import evaluate
    from vlmbench.store import RunFolder

    with RunFolder(run_folder(args, benchmark.card.name), fresh=args.fresh) as folder:
        table = open_benchmark(benchmark, args)
        model = models.get(args.model) or _load(args, onlooker)
        models[args.model] = model
        run = evaluate(spec_of(args, benchmark.card.name, model), benchmark, table, model, folder, onlooker)
        from vlmbench.report.files import write_run_files

        write_run_files(run, folder.path)
    return run, folder.path


def present(run: Run, folder: Path, form: str, onlooker: Watch) -> dict[str, Any]:
    """Print the table of a run and say where its files are; returns the results document."""
    from vlmbench.report.results import results_document
    from vlmbench.report.tables import results_table

    document = results_document(run)
    if form == "table":
        results_table(document, console=stdout())
    onlooker.say(f"files in {folder}")
    if not run.complete:
        left = len(run.samples) - len(run.responses)
        complain(
            f"incomplete: {run.errors} rows with errors, {left} not answered; "
            f"see {folder / 'responses.jsonl'}. The same command asks them again."
        )
    return document


def run_folder(args: argparse.Namespace, benchmark: str) -> Path:
    """`--out`, or runs/MODEL/BENCH; blind answers never mix with seeing ones."""
    name = f"{benchmark}-blind" if args.blind else benchmark
    if args.out is None:
        return Path("runs") / folder_name(args.model) / name
    return Path(args.out) if len(args.bench) == 1 else Path(args.out) / name


def folder_name(model: str) -> str:
    """A model's name as a folder: its last path component, without characters that file systems dislike."""
    served = re.fullmatch(r"openai:(.+?)@https?://.*", model, re.IGNORECASE)
    last = (served[1] if served else model).rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    return re.sub(r"[^\w.=+-]+", "_", last).strip("._") or "model"


def spec_of(args: argparse.Namespace, benchmark: str, model: Model) -> RunSpec:
    """The run this command line asks for."""
    style = args.prompt or model.style
    decoding = Decoding(max_new_tokens=args.max_new_tokens) if args.max_new_tokens else None
    return RunSpec(
        model=args.model,
        benchmark=benchmark,
        style=style,
        decoding=decoding,
        rules=args.rules,
        seed=args.seed,
        limit=args.limit,
        blind=args.blind,
    )


def _load(args: argparse.Namespace, onlooker: Watch) -> Model:
    from vlmbench.models.loading import load_model

    started = time.perf_counter()
    model = load_model(
        args.model,
        device=args.device,
        dtype=args.dtype,
        batch_size=args.batch_size,
        trust_remote_code=args.trust_remote_code,
        requests_per_minute=args.rpm,
    )
    onlooker.say(f"loaded {model.name} in {time.perf_counter() - started:.1f} s")
    return model
