"""Write a run's submission file from its stored answers, and look it over; or its figures for other tools.

vlmbench export runs/demo/Shapes_TEST_EN --format mmbench
vlmbench export runs/demo/MMMU_TEST --format mmmu
vlmbench export runs/demo/Shapes_DEV_EN --format hub
vlmbench export runs/demo/Shapes_DEV_EN --format eval-results --hub-dataset OWNER/NAME
vlmbench export runs/demo/Shapes_DEV_EN --format every-eval-ever --model-id OWNER/MODEL
vlmbench export runs/demo/Shapes_DEV_EN --format inspect
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.cli._shared.flags import (
    add_data_arguments,
    add_plugin_argument,
    find_benchmark,
    open_benchmark,
    stdout,
)
from vlmbench.cli.export_results import FORMATS, add_result_arguments, export_results
from vlmbench.domain import Benchmark, RuleSet, Sample
from vlmbench.errors import UsageError

if TYPE_CHECKING:
    from vlmbench.data.table import Table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `export`."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument(
        "--format",
        choices=("mmbench", "mmmu", "predictions", *FORMATS),
        help="default: what the benchmark's server took",
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: beside the answers")
    parser.add_argument("--bench", metavar="NAME", help="default: as the run says; a path for a bare TSV")
    add_plugin_argument(parser)
    add_data_arguments(parser)
    add_result_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Write, lint, and say where it is."""
    if args.format in FORMATS:
        return export_results(args)
    from vlmbench.evaluate import read_samples
    from vlmbench.store import read_responses, read_run

    spec = read_run(args.run)["spec"]
    benchmark = find_benchmark(args, args.bench or spec["benchmark"])
    table = open_benchmark(benchmark, args)
    samples = read_samples(benchmark, table)
    responses = read_responses(args.run)
    texts = [responses[s.id].text if s.id in responses else "" for s in samples]
    form = args.format or ("mmmu" if hasattr(benchmark, "submission") else "mmbench")
    if form == "mmmu":
        return export_by_id(args, benchmark, samples, texts, spec)
    return export_sheet(args, form, table, samples, texts)


def export_sheet(
    args: argparse.Namespace, form: str, table: Table, samples: Sequence[Sample], texts: Sequence[str]
) -> int:
    """A workbook, for a server or for the eye."""
    from vlmbench.cli.check_submission import print_findings
    from vlmbench.report.exports.mmbench import check_submission, write_mmbench_result
    from vlmbench.report.exports.sheets import write_predictions_xlsx
    from vlmbench.report.files import PREDICTIONS, SUBMISSION

    if form == "predictions":
        out = args.out or args.run / PREDICTIONS
        write_predictions_xlsx(out, table.columns, samples, texts)
    else:
        out = args.out or args.run / SUBMISSION
        write_mmbench_result(out, samples, texts)
    findings = check_submission(out, samples)
    stdout().print(f"wrote {out}", markup=False)
    return print_findings(findings)


def export_by_id(
    args: argparse.Namespace,
    benchmark: Benchmark,
    samples: Sequence[Sample],
    texts: Sequence[str],
    spec: dict[str, str],
) -> int:
    """A JSON mapping from each question's id to its answer, as MMMU's server took it."""
    from vlmbench.cli.run import folder_name
    from vlmbench.store import write_json

    submission = getattr(benchmark, "submission", None)
    if submission is None:
        raise UsageError(f"{benchmark.card.name} has no submission of that kind.", key="--format mmmu")
    out = args.out or args.run / f"{folder_name(spec['model'])}_{benchmark.card.name}.json"
    rules: RuleSet = spec["rules"]  # type: ignore[assignment]
    answers = dict(zip((s.id for s in samples), texts, strict=True))
    document = submission(samples, answers, rules)
    write_json(out, document)
    stdout().print(f"wrote {out}", markup=False)
    empty = sum(not text for text in texts)
    unparsed = sum(answer is False for answer in document.values())
    if len(document) < len(samples):
        stdout().print(f"[red]error[/red] {len(samples) - len(document)} ids stand there more than once")
        return 1
    if empty or unparsed:
        stdout().print(f"warning: {empty} answers are empty, {unparsed} name no option")
    return 0
