"""What CI runs: targets that are there, the demo before the page of its runs, the page kept and summed up."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def jobs(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))["jobs"]
    return found


def made(commands: str) -> list[str]:
    return re.findall(r"^make ([a-z]+)", commands, re.MULTILINE)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_job_has_a_time_limit_or_ends_at_once_and_makes_what_there_is(file: Path) -> None:
    for name, job in jobs(file).items():
        assert "timeout-minutes" in job or "environment" in job, name
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert set(made(step.get("run", ""))) <= TARGETS
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))


def test_the_demo_comes_before_the_page_of_its_runs() -> None:
    here = made((ROOT / ".ci" / "run").read_text("utf-8"))
    assert set(here) <= TARGETS
    assert here.index("demo") < here.index("leaderboard")
    steps = jobs(ROOT / ".github" / "workflows" / "ci.yml")["slow"]["steps"]
    runs = "\n".join(step.get("run", "") for step in steps)
    assert made(runs)[:2] == ["demo", "leaderboard"]
    assert 'build/leaderboard/leaderboard.md >> "$GITHUB_STEP_SUMMARY"' in runs
    kept = {
        step["with"]["name"]: step["with"]["path"] for step in steps if "artifact" in step.get("uses", "")
    }
    assert kept["leaderboard"] == "build/leaderboard"


def test_the_page_has_the_demos_runs_where_there_are_some(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    program = tmp_path / "bin" / "vlmbench"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho $@\n")
    program.chmod(0o755)
    command = ["make", "-s", "-o", "ready", "leaderboard", f"BIN={program.parent}", "READY=ready"]

    def said() -> str:
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    assert "--runs tests/committed_runs --out" in said()
    (tmp_path / "runs" / "demo").mkdir(parents=True)
    assert "--runs tests/committed_runs runs/demo --out" in said()
