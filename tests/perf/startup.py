"""Seconds of `vlmbench --help`, and that it loads nothing heavy.

python tests/perf/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def main() -> int:
    """Print the median of nine; exit 1 over 0.3 s."""
    command = [sys.executable, "-m", "vlmbench", "--help"]
    times = []
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    print(f"vlmbench --help: median {statistics.median(times):.3f} s of {len(times)}")
    return int(statistics.median(times) > 0.3)


if __name__ == "__main__":
    sys.exit(main())
