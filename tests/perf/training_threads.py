"""Seconds of a short training with a thread for each core, as torch takes them, and with the measured number.

    python tests/perf/training_threads.py --steps 40 --rounds 3 --busy 1

`--busy` processes compute beside it, each in a loop. Rounds take turns; each figure is the time of the steps
alone, as metrics.jsonl has it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vlmbench.cores import cores

LOOP = "while True: pass"


def main() -> None:
    """Print a line for each round, and the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--busy", type=int, default=1)
    args = parser.parse_args()
    ways = {f"{cores()} threads": str(cores()), "measured": None}
    found: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as folder, busy(args.busy):
        for number in range(args.rounds):
            losses = {}
            for way, threads in ways.items():
                seconds, losses[way] = trained(Path(folder, f"{number}-{threads}"), args.steps, threads)
                found[way].append(seconds)
            load = os.getloadavg()[0]
            times = ", ".join(f"{way} {of[-1]:.1f} s" for way, of in found.items())
            apart = max(losses.values()) - min(losses.values())
            print(f"round {number + 1}: {times}; load {load:.1f}; last losses {apart:.2g} apart", flush=True)
    medians = {way: statistics.median(of) for way, of in found.items()}
    slow, fast = medians.values()
    times = ", ".join(f"{way} {of:.1f} s" for way, of in medians.items())
    print(f"median: {times}, {slow / fast:.2f} times as fast")


@contextmanager
def busy(count: int) -> Iterator[None]:
    """So many processes that compute meanwhile."""
    others = [subprocess.Popen([sys.executable, "-c", LOOP]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def trained(folder: Path, steps: int, threads: str | None) -> tuple[float, float]:
    """Seconds of the steps of one training, and its last loss."""
    environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = threads
    command = [sys.executable, "-m", "vlmbench", "train", "demo_lora", "--work-dir", str(folder), "--quiet"]
    settings = (f"schedule.max_steps={steps}", "saving.log_every=1", "saving.sample=false")
    for setting in settings:
        command += ["--set", setting]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    # The first step loads what the others use.
    return lines[-1]["seconds"] - lines[0]["seconds"], lines[-1]["loss"]


if __name__ == "__main__":
    main()
