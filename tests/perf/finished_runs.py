"""Processor seconds of `vlmbench run` over benchmarks that are finished already, beside the run before.

python tests/perf/finished_runs.py --benchmarks 30
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

LIMIT = 1.0
MEASURED = """
import sys, time
from vlmbench.cli.main import main
main(sys.argv[1:])
print(time.process_time(), "torch" in sys.modules)
"""


def main() -> int:
    """Print both; exit 1 where the finished one takes longer than the limit, or loads torch."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmarks", type=int, default=30)
    count = parser.parse_args().benchmarks
    shapes = Path(str(files("vlmbench.benchmarks"))) / "data" / "Shapes_DEV_EN.tsv"
    with tempfile.TemporaryDirectory() as folder:
        names = [str(shutil.copy(shapes, Path(folder) / f"set{n:02}.tsv")) for n in range(count)]
        argv = ["run", "--model", "demo", "--bench", *names, "--out", f"{folder}/runs", "--limit", "4"]
        argv += ["--max-new-tokens", "2", "--device", "cpu"]
        env = {**os.environ, "VLMBENCH_HOME": f"{folder}/home", "PYTHONPYCACHEPREFIX": f"{folder}/code"}
        env.pop("PYTHONDONTWRITEBYTECODE", None)  # as a user's Python has it
        for what in ("asked", "already finished", "already finished"):
            command = [sys.executable, "-c", MEASURED, *argv]
            done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
            seconds, loaded = done.stdout.split()[-2:]
            print(f"{count} benchmarks, {what}: {float(seconds):.2f} s of processor time, torch: {loaded}")
    return int(float(seconds) > LIMIT or loaded == "True")


if __name__ == "__main__":
    sys.exit(main())
