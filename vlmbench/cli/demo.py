"""The whole story on a laptop: a small model answers Shapes in every rotation, then once more blind.

    vlmbench demo

What it does is what these commands do:

    vlmbench run --model demo --bench Shapes_DEV_EN
    vlmbench check-submission runs/demo/Shapes_DEV_EN/mmbench_result.xlsx --bench Shapes_DEV_EN
    vlmbench run --model demo --bench Shapes_DEV_EN --blind
"""

from __future__ import annotations

import argparse
from pathlib import Path

BENCH = "Shapes_DEV_EN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `demo`."""
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), metavar="DIR", help="default: runs/demo"
    )
    parser.add_argument("--limit", metavar="N", help="ask N whole groups only")


def execute(args: argparse.Namespace) -> int:
    """Each command in turn, as a user would type it."""
    limit = ["--limit", args.limit] if args.limit else []
    seeing, blind = args.out / BENCH, args.out / f"{BENCH}-blind"
    run = ["run", "--model", "demo", "--bench", BENCH, *limit]
    submission = [str(seeing / "mmbench_result.xlsx"), "--bench", BENCH]
    return (
        _step("A small LLaVA looks at shapes and answers.", [*run, "--out", str(seeing)])
        or _step("Is its submission file in order?", ["check-submission", *submission])
        or _step("The same questions with every picture greyed out.", [*run, "--blind", "--out", str(blind)])
    )


def _step(title: str, command: list[str]) -> int:
    from vlmbench.cli.common import stdout
    from vlmbench.cli.main import main

    console = stdout()
    console.print(f"\n[bold]{title}[/bold]")
    console.print(f"$ vlmbench {' '.join(command)}\n", style="dim", markup=False, soft_wrap=True)
    console.file.flush()
    return main(command)
