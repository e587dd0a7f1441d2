"""List and delete the answers that later runs take over instead of asking again.

    vlmbench cache
    vlmbench cache --forget llava-v1.5-7b
    vlmbench cache --forget all

A run that meets an equal question to an equal model (weights, dtype, backend), with equal pictures and
decoding, takes the answer of the earlier run. `vlmbench run --fresh` asks again; VLMBENCH_CACHE=off keeps
and takes nothing.
"""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING, Any

from vlmbench.cli._shared.console import print_line
from vlmbench.cli._shared.flags import add_format_argument
from vlmbench.cli._shared.tables import print_rows
from vlmbench.errors import UnknownName

if TYPE_CHECKING:
    from vlmbench.engine.answer_cache import CachedModel

ALL = "all"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `cache`."""
    parser.add_argument(
        "--forget",
        action="append",
        default=[],
        metavar="MODEL",
        help="delete the answers of this model, or of `all`; may be given several times",
    )
    add_format_argument(parser, "tsv")


def execute(args: argparse.Namespace) -> int:
    """Delete what is to be forgotten, or print the table."""
    from vlmbench.engine.answer_cache import cache_file, cached_models, forget

    models = cached_models()
    if args.forget:
        known = [model.name for model in models]
        if unknown := [name for name in args.forget if name not in (*known, ALL)]:
            raise UnknownName("model with answers in the cache", unknown[0], known)
        count = forget([] if ALL in args.forget else args.forget)
        print_line(f"{count:,} answers deleted")
    elif models or args.format != "table":
        print_rows([_row(model) for model in models], args.format, least=("newest", "megabytes"))
    else:
        print_line(f"no answers are kept in {cache_file()}")
    return 0


def _row(model: CachedModel) -> dict[str, Any]:
    return {
        "model": model.name,
        "answers": model.answers,
        "megabytes": round(model.bytes / 1e6, 2),
        "newest": time.strftime("%Y-%m-%d %H:%M", time.localtime(model.last)),
    }
