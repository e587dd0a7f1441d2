"""`vlmbench data repeat`: a few records of one's own, often enough to train on."""

from __future__ import annotations

import argparse
from pathlib import Path

from vlmbench.cli._shared.flags import stdout
from vlmbench.cli._shared.numbers import positive
from vlmbench.errors import UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of `data repeat`."""
    group = parser.add_argument_group("repeat FILE.json N: own data, N times")
    group.add_argument(
        "--out", type=Path, metavar="FILE", help="where to (default: FILE_Nx.json beside FILE)"
    )


def repeat(names: list[str], args: argparse.Namespace) -> int:
    """Write the file and say where."""
    from vlmbench.trainers.data import repeat as copies

    file, times = _words(names)
    out = args.out or copies.repeated_name(file, times)
    written = copies.repeat(file, times, out)
    stdout().print(f"{written:,} records in {out}", markup=False, soft_wrap=True)
    return 0


def _words(names: list[str]) -> tuple[Path, int]:
    try:
        name, times = names
        return Path(name).expanduser(), positive(times)
    except (ValueError, argparse.ArgumentTypeError):
        raise UsageError(
            "`data repeat` needs a file and how many times.", fix="Example: vlmbench data repeat own.json 200"
        ) from None
