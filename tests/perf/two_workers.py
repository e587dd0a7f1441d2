"""Two workers on two cores beside one worker pinned to one core, and whether starting Ray pays.

A LLaVA of about 50 M parameters with random weights answers the same rows each way; the ways take turns.
Rows a second are those of answering alone; seconds are those of the whole command, starting Ray and loading
included. `one process` may use both cores, as a run without `--devices` does.

python tests/perf/two_workers.py [--groups 116] [--rounds 3] [--shape medium]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from llava_shapes import SHAPES
from sized_llava import save_llava

os.environ["VLMBENCH_CACHE"] = "off"  # every run asks

CORES = sorted(os.sched_getaffinity(0))[:2]
ONE, BOTH = str(CORES[0]), ",".join(map(str, CORES))
WAYS = {
    "one worker, one core": (["taskset", "-c", ONE], []),
    "two workers, two cores": (["taskset", "-c", BOTH], ["--devices", "2"]),
    "one process, two cores": (["taskset", "-c", BOTH], []),
}


def measure(way: str, model: Path, out: Path, groups: int) -> tuple[int, float, float]:
    """Rows, rows a second of answering, seconds of the command."""
    before, more = WAYS[way]
    command = [sys.executable, "-m", "vlmbench", "run", "--model", str(model), "--bench", "Shapes_DEV_EN"]
    flags = ["--device", "cpu", "--limit", str(groups), "--max-new-tokens", "4", "--out", str(out), "--fresh"]
    started = time.perf_counter()
    subprocess.run([*before, *command, *flags, *more], check=True, capture_output=True)
    seconds = time.perf_counter() - started
    timing = json.loads((out / "results.json").read_text("utf-8"))["timing"]
    return timing["asked"], timing["rows_per_second"], seconds


def answers(out: Path) -> list[tuple[str, str]]:
    lines = (out / "responses.jsonl").read_text("utf-8").splitlines()
    return [(said["id"], said["text"]) for said in map(json.loads, lines)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--groups", type=int, default=116, help="of Shapes_DEV_EN; 116 are about 400 rows")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--shape", choices=("few", "medium"), default="medium")
    args = parser.parse_args()
    found: dict[str, list[tuple[int, float, float]]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        save_llava(model, SHAPES[args.shape])
        outs = {way: Path(folder) / way for way in WAYS}
        for turn in range(args.rounds):
            print(f"round {turn + 1}, load {os.getloadavg()[0]:.1f}", flush=True)
            for way, out in outs.items():
                rows, rate, seconds = measure(way, model, out, args.groups)
                found[way].append((rows, rate, seconds))
                print(f"  {way:<24} {rows} rows, {rate:6.2f} rows/s, {seconds:6.1f} s in all", flush=True)
        same = len({tuple(answers(out)) for out in outs.values()}) == 1
    rates = {way: [rate for _, rate, _ in found[way]] for way in WAYS}
    times = {way: statistics.median(seconds for *_, seconds in found[way]) for way in WAYS}
    one, two, both = WAYS
    ratios = [b / a for a, b in zip(rates[one], rates[two], strict=True)]
    print(f"answers identical: {same}")
    print(f"two workers / one pinned worker, answering: {statistics.median(ratios):.2f} (median)")
    print(
        f"whole command: {times[one]:.1f} s, {times[two]:.1f} s with two, {times[both]:.1f} s in one process"
    )


if __name__ == "__main__":
    main()
