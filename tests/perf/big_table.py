"""Seconds and peak memory of opening a large table (cold, warm, with every picture read) and of scoring it.

    python tests/perf/big_table.py --gigabytes 2

Each opening happens in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

ROWS = 4329
COLUMNS = "index question hint A B C D answer category image source l2-category comment split"
PICTURE_BYTES = 500_000


def write_table(path: Path, gigabytes: float) -> None:
    """Rows in the shape of MMBench: the first ones hold pictures, the others name one of them."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (1024, 768), (200, 30, 30)).save(buffer, "PNG")
    head = buffer.getvalue()
    noise = random.Random(0)
    # Each filled row holds the picture and bytes behind its end, which readers of pictures ignore.
    cell_size = 4 * (PICTURE_BYTES + len(head)) // 3
    filled = max(1, round(gigabytes * 1e9 / cell_size))
    with path.open("w", encoding="utf-8") as file:
        file.write("\t".join(COLUMNS.split()) + "\n")
        for i in range(max(ROWS, filled)):
            if i < filled:
                image = base64.b64encode(head + noise.randbytes(PICTURE_BYTES)).decode()
            else:
                image = str(i % filled)
            file.write(
                f"{i}\tWhat is it?\t\tred\tblue\tgreen\tgrey\tB\tcolour\t{image}\tmade\tcoarse\t\tdev\n"
            )


def open_once(path: Path, home: Path, pictures: bool) -> dict[str, float]:
    """Open, go through the rows, and the pictures if asked; what it took."""
    import pyarrow as pa  # noqa: F401 - its import is no part of opening

    from vlmbench.data.table import open_table

    started = time.perf_counter()
    table = open_table(path, home=home)
    rows = list(table.rows())
    opened = time.perf_counter() - started
    if pictures:
        assert sum(len(table.images[row.images[0]]) for row in rows) > PICTURE_BYTES
    return {"rows": len(rows), "seconds": round(opened, 4), "peak_mb": peak_mb()}


def score_once(path: Path, home: Path) -> dict[str, float]:
    """`vlmbench score` over the table under all rule sets, from nothing but the two files."""
    from vlmbench.cli.main import main as vlmbench

    os.environ["VLMBENCH_HOME"] = str(home)
    predictions = path.with_suffix(".jsonl")
    predictions.write_text("".join(f'{{"index": {i}, "prediction": "B"}}\n' for i in range(ROWS)))
    command = ["score", "--bench", "SEEDBench_IMG", "--data", str(path), "--predictions", str(predictions)]
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        assert vlmbench(command) == 0
    return {"rows": ROWS, "seconds": round(time.perf_counter() - started, 4), "peak_mb": peak_mb()}


def peak_mb() -> float:
    """The most memory this process has held."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def measure(path: Path, home: Path, *flags: str) -> dict[str, Any]:
    """`open_once` in a fresh process."""
    command = [sys.executable, __file__, "--open", str(path), "--folder", str(home), *flags]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    return found


def main() -> int:
    """Print the table; exit 1 when a limit is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--folder", type=Path, help="where to write (default: a temporary folder)")
    parser.add_argument("--quick", action="store_true", help="leave out reading the pictures")
    parser.add_argument("--format", choices=("table", "json"), default="table")
    parser.add_argument("--open", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--pictures", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--score", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.open:
        found = score_once if args.score else partial(open_once, pictures=args.pictures)
        print(json.dumps(found(args.open, args.folder)))
        return 0
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path, home = Path(folder) / "big.tsv", Path(folder) / "home"
        write_table(path, args.gigabytes)
        figures = {"cold": measure(path, home)}
        # The best of three: other work on the machine only ever adds to so short a time.
        figures["warm"] = min((measure(path, home) for _ in range(3)), key=lambda line: line["seconds"])
        if not args.quick:
            figures["warm, every picture"] = measure(path, home, "--pictures")
            figures["cold, and scored"] = measure(path, Path(folder) / "other", "--score")
        size = path.stat().st_size
    if args.format == "json":
        print(json.dumps(figures))  # whoever reads it judges it
        return 0
    print(f"{size / 1e9:.2f} GB, {figures['cold']['rows']} rows")
    print(f"{'opening':<22}{'seconds':>9}{'peak MB':>9}")
    for name, line in figures.items():
        print(f"{name:<22}{line['seconds']:>9.3f}{line['peak_mb']:>9.0f}")
    too_large = any(line["peak_mb"] > 600 for name, line in figures.items() if name != "warm, every picture")
    return int(too_large or figures["warm"]["seconds"] > 0.1)


if __name__ == "__main__":
    sys.exit(main())
