"""The script that printed the figure of the documentation still runs, on the least work it takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from repository import TESTS

SCRIPT = TESTS / "perf" / "vllm_overhead.py"


def test_the_harness_is_held_against_vllms_own_loop(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--model", "medium", "--rows", "8", "--rounds", "1"],
        capture_output=True, text=True, cwd=tmp_path, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert "ratio" in done.stdout
