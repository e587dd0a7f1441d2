"""Flags that several verbs have, and the argparse types of numbers, whose refusals are sentences."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from vlmbench.answers.usage import Price
from vlmbench.cli._shared.parser import options
from vlmbench.domain import RULE_SETS

N = TypeVar("N", int, float)


def add_data_dir_argument(parser: argparse.ArgumentParser) -> None:
    """The user's own folder of benchmark files."""
    options(parser, "machine and files").add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        help="look for benchmark files here first; `hub`: the dataset that a card names beside its file",
    )


def add_data_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the benchmark's file is and whether to accept it with another checksum."""
    add_data_dir_argument(parser)
    options(parser, "data", rare=True).add_argument(
        "--accept-local-data",
        action="store_true",
        help="use a local file although its checksum is not the published one",
    )


def add_plugin_argument(parser: argparse.ArgumentParser) -> None:
    """Benchmarks in a file of the user's own."""
    options(parser, "data", rare=True).add_argument(
        "--plugin",
        action="append",
        type=Path,
        default=[],
        metavar="FILE.py",
        help="a Python file that offers benchmarks; may be given several times",
    )


def add_map_argument(parser: argparse.ArgumentParser) -> None:
    """What the columns of a dataset are."""
    options(parser, "data", rare=True).add_argument(
        "--map",
        type=Path,
        metavar="FILE.yaml",
        help="what the columns of a dataset are, where they are not recognised (docs/add-a-benchmark.md)",
    )


def add_circular_argument(parser: argparse.ArgumentParser) -> None:
    """Multiple choice in every rotation."""
    options(parser, "questions", rare=True).add_argument(
        "--circular",
        action="store_true",
        help="ask multiple choice in every rotation of its options, scored like MMBench, as NAME_circular",
    )


def add_rules_argument(parser: argparse.ArgumentParser) -> None:
    """The rule set of the headline."""
    options(parser, "output").add_argument(
        "--rules",
        choices=RULE_SETS,
        default="strict",
        metavar="NAME",
        help="rule set of the headline: see `vlmbench list rules`",
    )


def add_format_argument(parser: argparse.ArgumentParser, *more: str) -> None:
    """Table, JSON, or what else the verb can print: `tsv` where it prints rows."""
    formats = ("table", *more, "json")
    options(parser, "output").add_argument(
        "--format",
        choices=formats,
        default="table",
        metavar="FORMAT",
        help=f"what to print: {', '.join(formats[:-1])} or {formats[-1]} (default: table)",
    )


def add_set_argument(parser: argparse._ActionsContainer) -> None:
    """Values of a recipe changed."""
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="a.b=c",
        help="change a value of the recipe: schedule.lr=1e-4, or of one stage of a chain: "
        "finetune.schedule.lr=1e-4; may be given several times",
    )


def add_log_argument(parser: argparse.ArgumentParser) -> None:
    """The experiment tracker."""
    options(parser, "output", rare=True).add_argument(
        "--log",
        choices=("mlflow", "wandb", "tensorboard"),
        help="also write the figures to an experiment tracker; without a server, to a local folder",
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


def _number(kind: Callable[[str], N], allowed: Callable[[N], bool], words: str) -> Callable[[str], N]:
    def read(text: str) -> N:
        try:
            number = kind(text)
        except ValueError:
            number = None
        if number is None or not allowed(number):
            raise argparse.ArgumentTypeError(f"`{text}` is not {words}")
        return number

    return read


whole = _number(int, lambda _: True, "a whole number")
from_zero = _number(int, lambda n: n >= 0, "a whole number from 0")
positive = _number(int, lambda n: n >= 1, "a whole number from 1")
port = _number(int, lambda n: 0 < n < 65536, "a port from 1 to 65535")
seed = _number(int, lambda n: 0 <= n < 2**32, f"a whole number from 0 below {2**32:,}")
"""What both torch and NumPy take."""
above_zero = _number(float, lambda n: 0 < n < float("inf"), "a number above 0")
not_negative = _number(float, lambda n: 0 <= n < float("inf"), "a number from 0")
share = _number(float, lambda n: 0 < n <= 1, "above 0 and at most 1")
