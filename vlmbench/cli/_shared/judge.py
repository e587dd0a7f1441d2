"""The judge of `run` and `score`: its flags, and opening it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from vlmbench.cli._shared.console import complain
from vlmbench.cli._shared.flags import positive
from vlmbench.domain import Model, Run
from vlmbench.engine.status import RunProgress
from vlmbench.errors import UsageError

if TYPE_CHECKING:
    from vlmbench.engine.judging import Judge

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of a million tokens, sent and received."""

    sent: float
    received: float

    def __call__(self, prompt_tokens: int, new_tokens: int) -> float:
        """What so many tokens cost."""
        return (prompt_tokens * self.sent + new_tokens * self.received) / MILLION


def add_judge_arguments(parser: argparse.ArgumentParser, *, log: bool = False) -> None:
    """Which model reads the answers that no rule can read, and how often it may be asked."""
    group = parser.add_argument_group("judge", "a model that reads the answers in which no rule finds one")
    group.add_argument(
        "--judge",
        metavar="MODEL",
        help="openai:NAME@URL (its key is OPENAI_API_KEY) or any model that --model takes (default: none)",
    )
    group.add_argument("--judge-rpm", type=positive, metavar="N", help="at most N requests a minute")
    group.add_argument("--judge-limit", type=positive, metavar="N", help="at most N requests by this command")
    group.add_argument(
        "--judge-price",
        type=price,
        metavar="IN/OUT",
        help="prices of a million tokens sent and received, to show the cost",
    )
    if log:
        group.add_argument(
            "--judge-log",
            type=Path,
            metavar="FILE",
            help="keep prompts and replies in this file; replies that it holds are used again",
        )
        group.add_argument(
            "--judgments",
            type=Path,
            metavar="FILE",
            help="verdicts that a judge gave before, as the benchmark's authors or VLMEvalKit store them",
        )


def price(text: str) -> Price:
    """An argparse type: two prices with a slash between them."""
    try:
        sent, received = (float(part) for part in text.split("/"))
    except ValueError:
        sent = received = -1.0
    if not (0 <= sent < float("inf") and 0 <= received < float("inf")):
        raise argparse.ArgumentTypeError(f"`{text}` is not two prices such as 0.15/0.60")
    return Price(sent, received)


def open_judge(args: argparse.Namespace, log: Path | None, watch: RunProgress) -> Judge | None:
    """The judge with its replies so far; None without `--judge`. `log` is a run folder or a file."""
    if args.judge is None:
        _refuse_lonely_flags(args)
        return None
    from vlmbench.engine.judge_log import JUDGE, JudgeLog
    from vlmbench.engine.judging import Judge

    model = _load(args.judge, args.judge_rpm, getattr(args, "device", "auto"))
    facts: Mapping[str, object] = model.facts
    if log is not None and log.is_dir():
        log = log / JUDGE
    replies = JudgeLog(log, args.judge, facts, fresh=getattr(args, "fresh", False))
    return Judge(
        model, replies, name=args.judge, limit=args.judge_limit, prices=args.judge_price, progress=watch
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
            f"incomplete: the judge {judging.model} has not read every answer: {judging.failed} "
            "requests failed, "
            f"{judging.not_asked} were beyond --judge-limit. Replies are kept; the same command asks "
            "the rest."
        )


def _refuse_lonely_flags(args: argparse.Namespace) -> None:
    for flag in ("judge_rpm", "judge_limit", "judge_price", "judge_log"):
        if getattr(args, flag, None) is not None:
            name = f"--{flag.replace('_', '-')}"
            raise UsageError("is for a judge, and none is named.", key=name, fix="Add `--judge MODEL`.")


@lru_cache(maxsize=1)
def _load(spec: str, requests_per_minute: int | None, device: str) -> Model:
    """One judge serves every benchmark of a command."""
    from vlmbench.models.loading import load_model

    return load_model(spec, device=device, requests_per_minute=requests_per_minute)
