"""What `build`, `convert` and `merge` share: flags, the options they make, and the last lines."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from vlmbench.cli._shared.parser import options
from vlmbench.terminal.output import write
from vlmbench.terminal.screen import note

if TYPE_CHECKING:
    from vlmbench.checkpoints.convert import WriteOptions

_UNITS = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}


def add_writing_arguments(parser: argparse.ArgumentParser) -> None:
    """How the weights are stored, and how the result is verified."""
    common, more = options(parser, "writing"), options(parser, "writing", rare=True)
    common.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        help="store every weight in this type (default: each keeps its own)",
    )
    more.add_argument(
        "--max-shard-size",
        type=size,
        default=size("2GB"),
        metavar="SIZE",
        help="largest size of one file of weights (default: 2GB)",
    )
    more.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="skip the check that the written model gives the same answer",
    )
    more.add_argument("--device", default="cpu", help="device for that check (default: cpu)")


def add_template_argument(parser: argparse.ArgumentParser, default: str) -> None:
    """The wording of questions and answers."""
    parser.add_argument(
        "--template", metavar="NAME", help=f"chat template: vicuna, llama3_chat, … (default: {default})"
    )


def options_of(args: argparse.Namespace, gguf_kind: Literal["f16", "q8_0"] = "f16") -> WriteOptions:
    """The flags of `add_writing_arguments` as a value."""
    from vlmbench.checkpoints.convert import WriteOptions

    return WriteOptions(
        dtype=args.dtype,
        shard_size=args.max_shard_size,
        gguf_kind=gguf_kind,
        proof=args.verify,
        device=args.device,
    )


def print_result(dst: Path, proof: str | None) -> int:
    """The folder on stdout, what the check found on stderr; returns the exit code."""
    if proof:
        note(proof)
    write(str(dst))
    return 0


def size(text: str) -> int:
    """An argparse type: `500MB`, `2GB`, or bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]i?B|)", text.strip(), re.IGNORECASE)
    number = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is not a size such as 2GB or 500MB")
    return number
