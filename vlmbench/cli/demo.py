"""A tour in a few minutes on a laptop: evaluate a small model, train it on harder pictures, compare.

    vlmbench demo

It runs these commands:

    vlmbench run --model demo --bench Shapes_DEV_EN
    vlmbench run --model demo --bench Shapes_DEV_EN --blind
    vlmbench run --model demo --bench runs/demo/Shapes_DUSK_EN.tsv
    vlmbench train demo_dusk --work-dir runs/demo/trained --eval runs/demo/Shapes_DUSK_EN.tsv
    vlmbench compare runs/demo/Shapes_DUSK_EN runs/demo/trained/runs/model/Shapes_DUSK_EN
    vlmbench leaderboard build --runs runs/demo --out runs/demo/leaderboard

It can be stopped at any point, and the same command continues. Finished steps are not repeated without
--fresh.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

from vlmbench.cli._shared.console import stdout
from vlmbench.cli._shared.flags import add_set_argument, positive

BENCH, RECIPE = "Shapes_DEV_EN", "demo_dusk"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `demo`."""
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("runs/demo"),
        metavar="DIR",
        help="folder for everything (default: runs/demo)",
    )
    parser.add_argument("--limit", type=positive, metavar="N", help="ask only N groups of rows")
    parser.add_argument("--fresh", action="store_true", help="repeat finished steps")
    parser.add_argument(
        "--recipe", default=RECIPE, metavar="NAME", help=f"recipe to train (default: {RECIPE})"
    )
    add_set_argument(parser)


def execute(args: argparse.Namespace) -> int:
    """Each command in turn, as a user would type it."""
    from vlmbench.trainers.evaluation.demo_shifted_set import write_dusk
    from vlmbench.trainers.recipe.loading import read

    read(args.recipe, args.set)  # a mistake is named before the first step

    # Read when torch is loaded. A model this small gains nothing from a second thread, and loses much on a
    # machine that is busy with something else.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    trained = args.out / "trained"
    if args.fresh and trained.is_dir():
        shutil.rmtree(trained)
    dusk = write_dusk(args.out)
    for title, command in _steps(args, trained, dusk):
        if code := _step(title, command):
            return code
    _say_end(args.out)
    return 0


def _steps(args: argparse.Namespace, trained: Path, dusk: Path) -> list[tuple[str, list[str]]]:
    limit = [] if args.limit is None else ["--limit", str(args.limit)]
    run = ["run", "--model", "demo", *limit, *["--fresh"] * args.fresh]
    seeing, before = args.out / BENCH, args.out / dusk.stem
    train = ["train", args.recipe, "--work-dir", str(trained), "--resume", "--eval", str(dusk)]
    for setting in args.set:
        train += ["--set", setting]
    if args.limit is not None:
        train += ["--eval-limit", str(args.limit)]
    after = trained / "runs" / "model" / dusk.stem
    board = args.out / "leaderboard"
    return [
        ("A small LLaVA answers questions about shapes.", [*run, "--bench", BENCH, "--out", str(seeing)]),
        (
            "The same questions, with every picture replaced by a grey one.",
            [*run, "--bench", BENCH, "--blind", "--out", str(args.out / f"{BENCH}-blind")],
        ),
        (
            "The same pictures at dusk, on backgrounds that it has never seen.",
            [*run, "--bench", str(dusk), "--out", str(before)],
        ),
        ("The model is trained on other pictures at dusk, for about a minute, and evaluated again.", train),
        (
            "Before and after training, question by question.",
            ["compare", str(before), str(after), "--flips", "1"],
        ),
        (
            "All runs on one page.",
            ["leaderboard", "build", "--runs", str(args.out), "--out", str(board), "--no-published"],
        ),
    ]


def _step(title: str, command: list[str]) -> int:
    from vlmbench.cli.main import main

    console = stdout()
    console.print()
    console.print(title, style="bold")
    console.print(f"$ vlmbench {' '.join(command)}\n", style="dim", soft_wrap=True)
    console.file.flush()
    return main(command)


def _say_end(out: Path) -> None:
    console = stdout()
    console.print(f"\nThe trained model: {out / 'trained' / 'model'}", soft_wrap=True)
    console.print(f"The page: {out / 'leaderboard' / 'index.html'}", soft_wrap=True)
