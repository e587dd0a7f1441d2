"""Every script that printed a figure of the documentation still runs, on the least work it takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from repository import TESTS

PERF = TESTS / "perf"
PARTS = {"circular_work", "llava_shapes", "machine_rates", "sized_llava"}
"""What the scripts are made of."""
ELSEWHERE = {"vllm_overhead"}
"""What needs vLLM is run by the lane that has it."""
LEAST = {
    "big_dataset": "--rows 200 --kilobytes 5 --rounds 1 --format json",
    "big_table": "--gigabytes 0.01",
    "false_alarms": "",
    "finished_runs": "--benchmarks 2",
    "grouped": "--shape few --groups 2 --slices 1 --check",
    "limited_hub": "--rows 300 --kilobytes 5 --limit 5",
    "leaderboard": "--models 4 --benchmarks 2",
    "memory_growth": "--rows 2000",
    "python_overhead": "--pairs 1",
    "report": "--questions 60",
    "score_families": "",
    "score_rules": "",
    "server_rates": "--slots 3 --questions 30 --seconds 0.05 --fixed 2 4",
    "startup": "",
    "tokenise": "--records 50 100",
    "training": "--rows 16",
    "training_threads": "--steps 2 --rounds 1 --busy 0",
    "training_7b": "--tiny --rows 16 --rounds 1",
    "two_workers": "--shape few --groups 1 --rounds 1",
    "zero3_memory": "--layers 1 --presets zero3",
}


def test_no_script_is_left_out() -> None:
    assert {file.stem for file in PERF.glob("*.py")} == PARTS | ELSEWHERE | set(LEAST)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAST)
def test_it_prints_its_figures(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PERF / f"{name}.py"), *LEAST[name].split()],
        capture_output=True, text=True, cwd=tmp_path, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert any(letter.isdigit() for letter in done.stdout)


@pytest.mark.slow
def test_a_board_of_200_models_and_13_benchmarks_is_small_and_soon_there(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(PERF / "leaderboard.py")],
        capture_output=True, text=True, cwd=tmp_path, timeout=900, check=True,
    )  # fmt: skip
    found = {
        what: float(re.search(rf"{what}\D*([\d.]+)", done.stdout)[1])  # type: ignore[index]
        for what in ("build:", "index.html:", "click to sorted: median")
    }
    # Under 1 MB, 5 s and 50 ms on a machine of its own; three times that beside other tests.
    assert found["index.html:"] < 1
    assert found["build:"] < 15
    assert found["click to sorted: median"] < 150
