"""What `vlmbench.evaluate` costs beside `vlmbench run`: processor time of whole processes, in pairs.

python tests/perf/python_overhead.py                the echo model, all of Shapes_DEV_EN
python tests/perf/python_overhead.py --model demo --pairs 5

Each pair runs both, in turn first and second. A difference below 2 % is none on a machine that others use.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ["VLMBENCH_CACHE"] = "off"  # every run asks

BENCH = "Shapes_DEV_EN"
CALL = "import sys, vlmbench; vlmbench.evaluate(sys.argv[1], sys.argv[2], out=sys.argv[3])"


def seconds(command: list[str], folder: Path) -> float:
    """Processor seconds of a process, its own and the system's."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit((folder / "log").read_text("utf-8"))
    return used.ru_utime + used.ru_stime


def pair(model: str, *, python_first: bool) -> tuple[float, float]:
    """The command line's seconds and Python's."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        typed = ["-m", "vlmbench", "run", "--model", model, "--bench", BENCH, "--out", str(folder / "cli")]
        called = ["-c", CALL, model, BENCH, str(folder / "python")]
        order = (called, typed) if python_first else (typed, called)
        times = [seconds([sys.executable, *command], folder) for command in order]
    return (times[1], times[0]) if python_first else (times[0], times[1])


def main() -> int:
    """Print medians and the paired ratio; exit 1 where Python costs over 2 % more."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="echo:B")
    parser.add_argument("--pairs", type=int, default=15)
    args = parser.parse_args()
    pair(args.model, python_first=False)  # the table's cache is built once
    found = [pair(args.model, python_first=bool(number % 2)) for number in range(args.pairs)]
    typed, called = (statistics.median(side) for side in zip(*found, strict=True))
    ratio = statistics.median(python / cli for cli, python in found)
    print(f"{args.model} on {BENCH}, {args.pairs} pairs, processor time, medians:")
    print(f"vlmbench run {typed:.3f} s, vlmbench.evaluate {called:.3f} s, paired {(ratio - 1) * 100:+.1f} %")
    return int(ratio > 1.02 and args.pairs >= 10)


if __name__ == "__main__":
    sys.exit(main())
