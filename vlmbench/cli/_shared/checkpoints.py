"""What `convert`, `merge` and `build` ask for in the same words."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

_UNITS = {"": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KIB": 1024, "MIB": 1024**2, "GIB": 1024**3}


def add_dtype_argument(parser: argparse.ArgumentParser) -> None:
    """What the weights are stored in."""
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        help="store every weight in this (default: as each is stored now)",
    )


def add_template_argument(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """The wording of questions and answers."""
    parser.add_argument("--template", metavar="NAME", help=f"the chat template's family; {otherwise}")


def add_shard_argument(parser: argparse.ArgumentParser) -> None:
    """How large a file of weights may be."""
    parser.add_argument(
        "--max-shard-size", type=size, default=size("2GB"), metavar="SIZE", help="of a file (default: 2GB)"
    )


def add_device_argument(parser: argparse.ArgumentParser) -> None:
    """The proof, and where it is computed."""
    parser.add_argument(
        "--no-verify", dest="verify", action="store_false", help="do not compare the result's answer"
    )
    parser.add_argument("--device", default="cpu", help="where the proof is computed (default: cpu)")


def checkpoint(text: str) -> Path:
    """An argparse type: a folder or file as every other verb takes it, a hub id, or `demo`."""
    from vlmbench.model_files.folder import local_folder
    from vlmbench.models.loading import where

    found = where(text)
    return Path(found) if Path(found).exists() else local_folder(found)


def size(text: str) -> int:
    """An argparse type: `500MB`, `2GB`, or bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMG]i?B|)", text.strip(), re.IGNORECASE)
    number = int(float(found[1]) * _UNITS[found[2].upper()]) if found else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"`{text}` is no size such as 2GB or 500MB")
    return number
