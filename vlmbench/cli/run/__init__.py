"""Evaluate models on benchmarks.

    vlmbench run --model demo --bench Shapes_DEV_EN
    vlmbench run --model PATH --bench MMBench_DEV_EN mine.tsv --limit 50
    vlmbench run --model PATH OTHER --bench all-llava-table
    vlmbench run --config matrix.yaml

Answers are written to the run folder as they come, and the same command continues where it stopped. If the
model, the dataset, the prompt or the decoding has changed since, the command stops and names what changed.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

from vlmbench.api.gates import check_gates, read_gates, with_gates
from vlmbench.api.run.model_opening import release_models
from vlmbench.api.run.runs import AnswerProgress, with_jobs_sent
from vlmbench.cli._shared.benchmarks import add_answers_argument
from vlmbench.cli._shared.config_file import mapping_in_file
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
from vlmbench.cli._shared.judge import add_judge_arguments
from vlmbench.cli._shared.models import (
    add_asking_arguments,
    add_decoding_arguments,
    add_detail_argument,
    add_devices_arguments,
    add_engine_argument,
    add_model_arguments,
    add_picture_arguments,
)
from vlmbench.cli._shared.parser import options
from vlmbench.cli.run.one import ModelSlot, run_one
from vlmbench.cli.run.outputs import exit_code, print_all, write_all
from vlmbench.cli.run.plan import Entry, planned
from vlmbench.errors import UserError
from vlmbench.model_files.foreign_output import LibraryLog
from vlmbench.report.matrix.cells import MatrixCell
from vlmbench.terminal.output import read_or_not


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
    add_format_argument(parser, "tsv")
    _add_matrix(parser)


def _add_names(parser: argparse.ArgumentParser) -> None:
    """Which model is asked which benchmarks, and where its answers go."""
    common = options(parser, "model and benchmarks")
    common.add_argument(
        "--model",
        required=True,
        nargs="+",
        metavar="MODEL",
        help="folders in any layout, .pth files, hub ids, `demo`, vllm:PATH (vLLM answers), or servers: "
        "openai:NAME@URL, responses:NAME, anthropic:NAME, gemini:NAME",
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
        help="ask all again; earlier answers move to BENCH.old-1, …",
    )


def _add_matrix(parser: argparse.ArgumentParser) -> None:
    """What CI reads, and the parts of a matrix that only a file can hold (docs/ci.md)."""
    more = options(parser, "output", rare=True)
    more.add_argument("--junit", type=Path, metavar="FILE", help="write JUnit XML, a test case for each run")
    more.add_argument(
        "--markdown",
        type=Path,
        metavar="FILE",
        help="write the summary as Markdown; the file that GITHUB_STEP_SUMMARY names gets it as well",
    )
    for name in ("--settings", "--gates"):
        parser.add_argument(name, type=mapping_in_file, help=argparse.SUPPRESS)


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
    """Run every model on every benchmark; one that fails does not stop the others."""
    entries = planned(args)
    gates = read_gates(args.gates, args.config) if args.gates else []
    check_gates(gates, [benchmark.card.name for entry in entries for benchmark in entry.benchmarks])
    _fetch(entries)
    if args.log:
        from vlmbench.report.exports.trackers import check_tracker

        check_tracker(args.log, AnswerProgress().say)
    cells = run_all(entries)
    cells = with_gates(cells, gates, args.data_dir, args.plugin) if gates else cells
    matrix = len(entries) > 1 or bool(gates)
    write_all(args, cells, matrix=matrix)  # first: stdout may be full, or a pipe that nobody reads
    with read_or_not():
        print_all(args, cells, matrix=matrix)
    return exit_code(cells)


def _fetch(entries: Sequence[Entry]) -> None:
    """One question about the files that all entries lack; about each folder one, where they name several."""
    folders: dict[Path | None, list[Entry]] = {}
    for entry in entries:
        folders.setdefault(entry.args.data_dir, []).append(entry)
    for same in folders.values():
        benchmarks = {b.card.file.name: b for entry in same for b in entry.benchmarks}
        limited = all(entry.args.limit is not None for entry in same)
        fetch_missing([*benchmarks.values()], same[0].args, limited=limited)


def run_all(entries: Sequence[Entry]) -> list[MatrixCell]:
    """A cell for each entry and benchmark; entries that load their model alike share it."""
    found: dict[int, list[MatrixCell]] = {}
    libraries = LibraryLog.of_command("run")
    places = {id(entry): place for place, entry in enumerate(entries)}
    turns, count = itertools.count(1), sum(len(entry.benchmarks) for entry in entries)
    alike: dict[str, list[Entry]] = {}
    for entry in entries:
        alike.setdefault(repr(entry.request.model), []).append(entry)
    for group in alike.values():
        slot = ModelSlot(libraries)
        try:
            for entry in group:
                found[places[id(entry)]] = _run_entry(entry, slot, turns, count)
        finally:
            with libraries.diverted():
                release_models(slot.models)
    libraries.close()
    return list(itertools.chain.from_iterable(found[place] for place in sorted(found)))


def _run_entry(entry: Entry, slot: ModelSlot, turns: Iterator[int], count: int) -> list[MatrixCell]:
    """Its benchmarks, one after another, each with its place among all `count` runs of the command."""
    progress = AnswerProgress()
    slot.refused = None  # another setting may be what the model takes
    request = entry.request
    try:
        with slot.libraries.diverted():
            request = with_jobs_sent(request, entry.benchmarks, slot.models, progress)
    except UserError as error:  # the model cannot be opened
        if entry.only_model:
            raise
        slot.refused = error
    cells = []
    for benchmark in entry.benchmarks:
        progress.turn(entry.label(benchmark.card.name), next(turns), count)
        cells.append(run_one(entry, request, benchmark, slot, progress))
    return cells
