"""The judge of `run` and `score`: its flags, and what it has left open."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.api.run.judge import KEY, JudgeOptions
from vlmbench.cli._shared.console import complain
from vlmbench.cli._shared.flags import positive, price
from vlmbench.cli._shared.parser import options
from vlmbench.domain import Run


def add_judge_arguments(parser: argparse.ArgumentParser, *, log: bool = False) -> None:
    """Which model reads the answers that no rule can read, and how often it may be asked."""
    more = options(parser, "judge", rare=True)
    options(parser, "output").add_argument(
        "--judge",
        metavar="MODEL",
        help="a model that reads answers in which no rule finds one: openai:NAME@URL (key in "
        f"{KEY} or OPENAI_API_KEY) or any that --model takes",
    )
    more.add_argument("--judge-rpm", type=positive, metavar="N", help="at most N requests a minute")
    more.add_argument("--judge-limit", type=positive, metavar="N", help="at most N requests by this command")
    more.add_argument(
        "--judge-price",
        type=price,
        metavar="IN/OUT",
        help="prices of a million tokens sent and received, to show the cost",
    )
    if log:
        more.add_argument(
            "--judge-log",
            type=Path,
            metavar="FILE",
            help="keep prompts and replies in this file; replies that it holds are used again",
        )
        more.add_argument(
            "--judgments",
            type=Path,
            metavar="FILE",
            help="verdicts that a judge gave before, as the benchmark's authors or VLMEvalKit store them",
        )


def judge_of(args: argparse.Namespace) -> JudgeOptions:
    """The flags of `add_judge_arguments` as a value."""
    return JudgeOptions(
        model=args.judge,
        rpm=args.judge_rpm,
        limit=args.judge_limit,
        price=args.judge_price,
        log=getattr(args, "judge_log", None),
        device=getattr(args, "device", "auto"),
    )


def complain_of_judging(run: Run) -> None:
    """Name what the judge has left open, and how to complete it."""
    judging = run.judging
    if judging is None and run.judgments is None and run.card.judge:
        complain(
            f"{run.card.name} has no score without a judge; the answers are kept. Name one with `--judge "
            "openai:MODEL@URL`, or give earlier verdicts to `vlmbench score … --judgments FILE`."
        )
    elif judging is not None and not judging.finished:
        complain(
            f"incomplete: the judge {judging.model} has not read every answer: {judging.failed} requests "
            f"failed, {judging.not_asked} were beyond --judge-limit. Replies are kept; the same command asks "
            "the rest."
        )
