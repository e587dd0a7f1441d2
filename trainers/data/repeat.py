"""A few records of one's own, often enough to train on."""

from __future__ import annotations

import os
from pathlib import Path

from vlmbench.data.disk import writing
from vlmbench.errors import DataError, UsageError

from .json_stream import raw_records
from .records import read_record


def repeat(file: Path, times: int, out: Path) -> int:
    """Write the records of a file so many times, all of them in turn; returns how many were written."""
    if out.exists() and out.samefile(file):
        raise UsageError(
            "the repeated records would be written over their own file.",
            file=file,
            fix="Name another place with --out.",
        )
    records = [raw.text for raw in raw_records(file)]
    if not records:
        raise DataError("the file has no records.", file=file)
    for row, text in enumerate(records, 1):
        read_record(text, row, file)
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    lines = out.suffix == ".jsonl"
    with writing(out, "the repeated records", None, "Name another place with --out."):
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("w", encoding="utf-8") as target:
                target.write("" if lines else "[\n")
                for number in range(times):
                    for place, text in enumerate(records):
                        last = number == times - 1 and place == len(records) - 1
                        # Over several lines it would be no line of JSON lines.
                        written = (
                            text if "\n" not in text else " ".join(part.strip() for part in text.split("\n"))
                        )
                        target.write(written + ("\n" if lines or last else ",\n"))
                target.write("" if lines else "]\n")
            aside.replace(out)
        finally:
            aside.unlink(missing_ok=True)
    return times * len(records)


def repeated_name(file: Path, times: int) -> Path:
    """Beside the original: `own.json` 200 times is `own_200x.json`."""
    return file.with_name(f"{file.stem}_{times}x{file.suffix}")
