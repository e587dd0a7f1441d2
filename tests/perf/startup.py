"""Seconds of `vlmbench --help`, and milliseconds of `import vlmbench` in a Python that is up.

python tests/perf/startup.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

HELP, IMPORT = 0.3, 30.0
"""Limits: seconds and milliseconds."""
TIMED = "import time; t = time.perf_counter(); import vlmbench; print((time.perf_counter() - t) * 1000)"


def main() -> int:
    """Print the medians of nine; exit 1 over a limit."""
    command = [sys.executable, "-m", "vlmbench", "--help"]
    times, imports = [], []
    for _ in range(9):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
        done = subprocess.run([sys.executable, "-c", TIMED], check=True, capture_output=True, text=True)
        imports.append(float(done.stdout))
    help_, import_ = statistics.median(times), statistics.median(imports)
    print(f"vlmbench --help: median {help_:.3f} s of {len(times)}")
    print(f"import vlmbench: median {import_:.1f} ms of {len(imports)}")
    return int(help_ > HELP or import_ > IMPORT)


if __name__ == "__main__":
    sys.exit(main())
