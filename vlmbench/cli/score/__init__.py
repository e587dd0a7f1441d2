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
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.benchmarks import (
    add_answers_argument,
    answered_rows,
    find_benchmark,
    open_benchmark,
    open_file,
    where_answers_are,
)
from vlmbench.cli._shared.console import complain, complain_of_unscored, print_json, stdout
from vlmbench.cli._shared.flags import (
    add_circular_argument,
    add_data_arguments,
    add_format_argument,
    add_plugin_argument,
    add_rules_argument,
)
from vlmbench.cli._shared.judge import add_judge_arguments, complain_of_judging, open_judge
from vlmbench.cli._shared.progress import AnswerProgress
from vlmbench.domain import Benchmark, Card, Response, Run, RunSpec, Sample
from vlmbench.errors import DataError, UsageError
from vlmbench.plain_text import visible

if TYPE_CHECKING:
    from vlmbench.engine.judgments import Judgments
    from vlmbench.predictions import Predictions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `score`."""
    parser.add_argument(
        "--bench", required=True, metavar="NAME", help="a benchmark (`vlmbench list`) or a TSV file"
    )
    parser.add_argument(
        "--predictions", required=True, type=Path, metavar="PATH", help="file or folder of predictions"
    )
    parser.add_argument(
        "--data", type=Path, metavar="TSV", help="use this file as the benchmark's, whatever its checksum"
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="accept rows without a prediction or a judgment: they are not scored",
    )
    parser.add_argument(
        "--rows", type=Path, metavar="OUT.jsonl", help="write one line for each row and rule set"
    )
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="OUT.jsonl",
        help="write one line for each group and rule set (circular benchmarks)",
    )
    add_answers_argument(parser)
    parser.add_argument(
        "--published",
        metavar="67.7",
        help="a figure from a paper: name the rule sets that round to it, and the rows that decide "
        "between the "
        "nearest two",
    )
    add_circular_argument(parser)
    add_plugin_argument(parser)
    add_rules_argument(parser)
    add_judge_arguments(parser, log=True)
    add_data_arguments(parser)
    add_format_argument(parser, "vlmevalkit")


def execute(args: argparse.Namespace) -> int:
    """Score and print."""
    benchmark = find_benchmark(args, args.bench)
    run = score_file(args, benchmark)
    if args.rows:
        _write_lines(args.rows, (asdict(s) for scores in run.scores.values() for s in scores))
    if args.groups:
        _write_lines(args.groups, group_lines(benchmark, run))
    return _print(args, benchmark, run)


def score_file(args: argparse.Namespace, benchmark: Benchmark) -> Run:
    """The predictions as a run."""
    from vlmbench.engine.asking import RunPlan
    from vlmbench.evaluate import left_out, read_samples, scored_run

    card = benchmark.card
    table = open_file(card, args.data) if args.data else open_benchmark(benchmark, args)
    rows, joined = answered_rows(args, card, table, to_ask=False)
    rows = list(rows)
    refuse_rows_without_options(card, benchmark.samples(rows), table.path)
    samples = read_samples(benchmark, table, rows, to_ask=False)
    if card.answers and not any(sample.references for sample in samples):
        raise DataError(
            "this file has no answers to compare with: the column `answer` is missing or empty.",
            file=table.path,
        )
    predictions = read_predictions(args, card, samples)
    spec = RunSpec(model=name_of(args.predictions), benchmark=card.name, style="unknown", rules=args.rules)
    asked = predictions.samples
    plan = RunPlan(samples=asked, requests=(), partial=len(asked) < len(samples), prompts="")
    judgments = stored_judgments(args, card, samples, predictions.texts)
    facts = {"dataset": {"md5": table.md5}, "predictions": predictions.facts(), **left_out(benchmark, table)}
    return scored_run(
        spec,
        benchmark,
        table.columns,
        plan,
        {i: Response(id=i, text=text, finish="stop") for i, text in predictions.texts.items()},
        facts=facts,
        judge=open_judge(args, args.judge_log, AnswerProgress()),
        judgments=judgments,
        joined=joined,
    )


def group_lines(benchmark: Benchmark, run: Run) -> Iterable[Mapping[str, Any]]:
    """One line a group and rule set, for benchmarks that score groups."""
    from vlmbench.answers.circular import score_groups
    from vlmbench.answers.toolkits import samples_as_read

    if not benchmark.card.circular:
        raise UsageError(f"{benchmark.card.name} has no groups; only circular benchmarks do.", key="--groups")
    for rules, scores in run.scores.items():
        for group in score_groups(samples_as_read(run.samples, rules), scores, rules):
            yield {
                "group": group.group,
                "rules": rules,
                "value": group.value,
                "rows": list(group.rows),
                "reason": group.reason,
            }


def _print(args: argparse.Namespace, benchmark: Benchmark, run: Run) -> int:
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
    if args.format == "json":
        print_json(document)
        complain_of_unscored(document, rows)
    else:
        results_table(document, console=stdout(), rows=rows)
        if args.published is not None:
            print_published(document["published"], stdout())
    complain_of_judging(run)
    if document["withheld"] and (where := where_answers_are(run.card)):
        complain(f"nothing is scored: {where}.")
    return 0 if run.complete else 4


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


def read_predictions(args: argparse.Namespace, card: Card, samples: Sequence[Sample]) -> Predictions:
    """The predictions; one line on stderr names the format that was recognised."""
    from vlmbench.predictions import read

    found = read(args.predictions, samples, card, partial(cards, args), allow_missing=args.allow_missing)
    if args.format != "json":
        complain(f"{visible(found.line(), 2000)}.")
    return found


def stored_judgments(
    args: argparse.Namespace, card: Card, samples: Sequence[Sample], texts: Mapping[str, str]
) -> Judgments | None:
    """The verdicts of `--judgments`, matched with these answers; None without the flag."""
    if args.judgments is None:
        return None
    from vlmbench.predictions.judgments import read_judgments

    partly = args.allow_missing or args.judge is not None
    return read_judgments(args.judgments, samples, card, partial(cards, args), texts, partly=partly)


def cards(args: argparse.Namespace) -> list[Card]:
    """Every benchmark's card, to name the benchmark that a wrong file belongs to."""
    from vlmbench.registry import Registry

    return [benchmark.card for benchmark in Registry(args.plugin).benchmarks.values()]


def name_of(path: Path) -> str:
    """The model's name in the results: that of the folder or file."""
    return path.resolve().name if path.is_dir() else path.stem


def refuse_rows_without_options(card: Card, samples: Iterable[Sample], path: Path) -> None:
    """Raise DataError for multiple-choice questions without options: nothing else can score them."""
    if card.family != "multiple-choice":
        return
    bare = [sample.id for sample in samples if sample.problem and not sample.choices]
    if bare:
        from vlmbench.predictions.files import listed

        rows = "1 row has" if len(bare) == 1 else f"{len(bare)} rows have"
        raise DataError(
            f"{rows} no options, and {card.name} is multiple choice: index {listed(bare)}.",
            file=path,
            fix="Fill the columns A, B, … of these rows, or take the rows out.",
        )
