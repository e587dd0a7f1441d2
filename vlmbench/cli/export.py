"""Write a run's submission file from its stored answers, and look it over.

vlmbench export runs/demo/Shapes_TEST_EN --format mmbench
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.cli.common import add_data_arguments, open_benchmark, stdout


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `export`."""
    parser.add_argument("run", type=Path, metavar="RUN", help="a run folder")
    parser.add_argument("--format", choices=("mmbench", "predictions"), default="mmbench")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: beside the answers")
    add_data_arguments(parser)


def execute(args: argparse.Namespace) -> int:
    """Write, lint, and say where it is."""
    from vlmbench.cli.check_submission import print_findings
    from vlmbench.evaluate import read_samples
    from vlmbench.registry import load_benchmark
    from vlmbench.report.files import PREDICTIONS, SUBMISSION
    from vlmbench.report.sheets import write_predictions_xlsx
    from vlmbench.report.submission import check_submission, write_mmbench_result
    from vlmbench.store import read_responses, read_run

    benchmark = load_benchmark(read_run(args.run)["spec"]["benchmark"])
    table = open_benchmark(benchmark, args)
    samples = read_samples(benchmark, table)
    responses = read_responses(args.run)
    texts = [responses[s.id].text if s.id in responses else "" for s in samples]
    if args.format == "predictions":
        out = args.out or args.run / PREDICTIONS
        write_predictions_xlsx(out, table.columns, samples, texts)
    else:
        out = args.out or args.run / SUBMISSION
        write_mmbench_result(out, samples, texts)
    findings = check_submission(out, samples)
    stdout().print(f"wrote {out}", markup=False)
    return print_findings(findings)
