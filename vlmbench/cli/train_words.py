"""The words of this same command again, for the processes that it starts."""

from __future__ import annotations

import argparse
from typing import Any


def stage_words(args: argparse.Namespace, recipe: Any) -> list[str]:
    """For Python: this command, for one stage."""
    words = ["-m", "vlmbench", "train", args.recipe, "--stage", recipe.name]
    for setting in args.set:
        words += ["--set", setting]
    said = {
        "--work-dir": args.work_dir,
        "--seed": args.seed,
        "--resume": args.resume,
        "--deepspeed": args.deepspeed,
        "--log": args.log,
    }
    for flag, value in said.items():
        if value is not None:
            words += [flag, str(value)]
    return words


def eval_words(args: argparse.Namespace) -> list[str]:
    """What is asked of the checkpoints."""
    if not args.eval:
        return []
    words = ["--eval", *args.eval, "--eval-device", args.eval_device]
    for flag, value in (("--eval-every", args.eval_every), ("--eval-limit", args.eval_limit)):
        words += [] if value is None else [flag, str(value)]
    return words
