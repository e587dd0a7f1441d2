"""The Slurm script where Ray's head does not come up: it gives up, and says so."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from repository import ROOT

SCRIPT = ROOT / "examples" / "slurm" / "evaluate.sbatch"


@pytest.mark.parametrize(
    ("head", "patience", "said"),
    [("exit 1", "60", "ended before it answered"), ("exec sleep 60", "1", "did not answer within 1 seconds")],
)
def test_a_head_that_fails_ends_the_job(tmp_path: Path, head: str, patience: str, said: str) -> None:
    # What stands in for Slurm and Ray on this machine.
    for name, does in {"scontrol": "echo node1", "srun": head, "ray": "exit 1"}.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n", "utf-8")
        (tmp_path / name).chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "PATIENCE": patience}
    env |= {"SLURM_JOB_NODELIST": "node1", "VENV": "nowhere"}
    done = subprocess.run(
        ["bash", str(SCRIPT)], env=env, cwd=tmp_path, stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stderr
