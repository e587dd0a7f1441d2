"""Score predictions from anywhere; no model is needed.

    vlmbench score --bench MMBench_DEV_EN --predictions model_MMBench_DEV_EN.xlsx
    vlmbench score --bench MMBench_TEST_EN --predictions answers.xlsx --answers MMBench_TEST_EN_V11.tsv
    vlmbench score --bench CCBench --data CCBench.tsv --predictions answers.jsonl --rules vlmevalkit-2024
    vlmbench score --bench POPE --predictions answers.jsonl --published 85.9

Predictions are jsonl, json, xlsx, tsv or csv with the columns `index` and `prediction`, or a file or folder
as the benchmark's authors, LLaVA, lmms-eval, lm-eval or inspect write it: see docs/predictions.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vlmbench.api.run.benchmark_data import where_answers_are
from vlmbench.api.run.runs import AnswerProgress
from vlmbench.api.score import ScoreRequest, name_of, score_predictions
from vlmbench.chinese import in_chinese, translated
from vlmbench.cli._shared.benchmarks import add_answers_argument, data_of, find_benchmark
from vlmbench.cli._shared.console import INCOMPLETE, complain, complain_of_unscored, print_json, stdout
from vlmbench.cli._shared.downloading import add_download_argument, fetch_missing
from vlmbench.cli._shared.flags import (
    add_circular_argument,
    add_data_arguments,
    add_format_argument,
    add_map_argument,
    add_plugin_argument,
    add_rules_argument,
)
from vlmbench.cli._shared.judge import add_judge_arguments, complain_of_judging, judge_of
from vlmbench.cli._shared.libraries import libraries_apart
from vlmbench.cli._shared.parser import options
from vlmbench.cli._shared.tables import print_rows
from vlmbench.domain import Benchmark, Run
from vlmbench.errors import UsageError
from vlmbench.plain_text import visible
from vlmbench.terminal.screen import doing


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `score`."""
    common, more = options(parser, "what is scored"), options(parser, "output", rare=True)
    common.add_argument(
        "--bench",
        required=True,
        metavar="NAME",
        help="a benchmark (`vlmbench list`), a TSV file or a dataset",
    )
    common.add_argument(
        "--predictions", required=True, type=Path, metavar="PATH", help="file or folder of predictions"
    )
    common.add_argument(
        "--data", type=Path, metavar="TSV", help="use this file as the benchmark's, whatever its checksum"
    )
    common.add_argument(
        "--allow-missing",
        action="store_true",
        help="accept rows without a prediction or a judgment: they are not scored",
    )
    more.add_argument(
        "--rows", type=Path, metavar="OUT.jsonl", help="write one line for each row and rule set"
    )
    more.add_argument(
        "--groups",
        type=Path,
        metavar="OUT.jsonl",
        help="write one line for each group and rule set (circular benchmarks)",
    )
    add_answers_argument(parser)
    options(parser, "output").add_argument(
        "--published",
        metavar="67.7",
        help="a figure from a paper: name the rule sets that round to it, and the rows that decide between "
        "the nearest two",
    )
    add_circular_argument(parser)
    add_plugin_argument(parser)
    add_map_argument(parser)
    add_rules_argument(parser)
    add_judge_arguments(parser, log=True)
    add_data_arguments(parser)
    add_download_argument(parser)
    add_format_argument(parser, "tsv", "vlmevalkit")


def execute(args: argparse.Namespace) -> int:
    """Score and print."""
    benchmark = find_benchmark(args, args.bench)
    if args.data is None:
        fetch_missing([benchmark], args)
    with libraries_apart("score"), doing(f"scoring {args.predictions}"):
        run = score_predictions(request_of(args), benchmark, AnswerProgress(), _note(args)).run
    if args.rows:
        from vlmbench.report.results import every_score

        _write_lines(args.rows, (asdict(s) for scores in every_score(run).values() for s in scores))
    if args.groups:
        _write_lines(args.groups, group_lines(benchmark, run))
    return _print(args, benchmark, run)


def request_of(args: argparse.Namespace) -> ScoreRequest:
    """The command line as a value."""
    return ScoreRequest(
        predictions=args.predictions,
        name=name_of(args.predictions),
        data=data_of(args),
        judge=judge_of(args),
        judgments=args.judgments,
        rules=args.rules,
        allow_missing=args.allow_missing,
        plugins=tuple(args.plugin),
    )


def _note(args: argparse.Namespace) -> Callable[[str], None]:
    """One line on stderr names the format that was recognised, where tables are printed."""
    if args.format == "json" or args.quiet:
        return lambda _line: None
    return lambda line: complain(translated(visible(line, 2000)) + ("。" if in_chinese() else "."))


def group_lines(benchmark: Benchmark, run: Run) -> Iterable[Mapping[str, Any]]:
    """One line a group and rule set, and draw where there are several, for benchmarks that score groups."""
    from vlmbench.answers.circular import score_groups
    from vlmbench.answers.toolkits import samples_as_read

    if not benchmark.card.circular:
        raise UsageError(f"{benchmark.card.name} has no groups; only circular benchmarks do.", key="--groups")
    each = run.draws.scores if run.draws else (run.scores,)
    for rules in run.scores:
        for number, scores in enumerate(each):
            for group in score_groups(samples_as_read(run.samples, rules), scores[rules], rules):
                yield {
                    "group": group.group,
                    "rules": rules,
                    **({"draw": number} if run.draws else {}),
                    "value": group.value,
                    "rows": list(group.rows),
                    "reason": group.reason,
                }


def _print(args: argparse.Namespace, benchmark: Benchmark, run: Run) -> int:
    if run.draws and (args.published is not None or args.format == "vlmevalkit"):
        raise UsageError(
            f"each question has {run.spec.samples} answers here, and this is for one.",
            key="--published" if args.published is not None else "--format",
            fix="Give predictions.xlsx of the run folder, which has the first of them.",
        )
    if args.format == "vlmevalkit":
        return _print_as_vlmevalkit(args, benchmark, run)
    from vlmbench.cli.score.published import print_published, stored_figures
    from vlmbench.report.published_document import published_document
    from vlmbench.report.results import results_document
    from vlmbench.report.tables import results_table

    document, rows = results_document(run), str(args.rows or "--rows OUT.jsonl")
    if args.published is not None:
        stored = stored_figures(args.published, run.card.name)
        document["published"] = published_document(benchmark, run, args.published) | {"stored": stored}
    if args.format != "table":
        print_json(document) if args.format == "json" else print_rows(figure_rows(document), "tsv")
        complain_of_unscored(document, rows)
    else:
        results_table(document, console=stdout(), rows=rows)
        if args.published is not None:
            print_published(document["published"], stdout())
    complain_of_judging(run)
    if document["withheld"] and (where := where_answers_are(run.card)):
        complain(f"nothing is scored: {where}.")
    return 0 if run.complete else INCOMPLETE


def figure_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every figure of a results document in a row: the headline first, then categories and the like."""
    named = ("name", "value", "unit", "n")
    return [
        {
            **{key: figure.get(key) for key in named},
            **dict(zip(("low", "high"), figure["ci95"] or (None, None), strict=True)),
        }
        for figure in document["metrics"]
    ]


def _print_as_vlmevalkit(args: argparse.Namespace, benchmark: Benchmark, run: Run) -> int:
    """VLMEvalKit's own table; of its current generation unless `--rules` names an older one."""
    records = getattr(benchmark, "vlmevalkit_records", None)
    if records is None:
        raise UsageError(f"{benchmark.card.name} has no table in VLMEvalKit's layout.", key="--format")
    if args.published is not None:
        raise UsageError(
            "VLMEvalKit's layout has no place for a published figure.",
            key="--published",
            fix="Leave --format out.",
        )
    generation = args.rules if args.rules.startswith("vlmevalkit") else "vlmevalkit"
    predicted = [sample for sample in run.samples if sample.id in run.responses]
    print_json(records(predicted, run.scores, generation))
    return 0


def _write_lines(path: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    from vlmbench.store import make_folder, write_text

    make_folder(path.parent)
    write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
