"""What CI runs: targets that are there, on each Python we claim; the demo before its page; the release."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from vlmbench.doctor.checks import OLDEST_PYTHON

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CI, PAGES, RELEASE = (ROOT / ".github" / "workflows" / f"{name}.yml" for name in ("ci", "pages", "release"))
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def jobs(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))["jobs"]
    return found


def made(commands: str) -> list[str]:
    return re.findall(r"^make ([a-z]+)", commands, re.MULTILINE)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_every_job_has_a_time_limit_and_makes_what_there_is(file: Path) -> None:
    for name, job in jobs(file).items():
        assert "timeout-minutes" in job, name
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            assert set(made(step.get("run", ""))) <= TARGETS
            assert re.fullmatch(r"[\w-]+/[\w-]+@v\d+", step.get("uses", "actions/checkout@v4"))


def test_the_demo_comes_before_the_page_of_its_runs() -> None:
    here = made((ROOT / ".ci" / "run").read_text("utf-8"))
    assert set(here) <= TARGETS
    assert here.index("demo") < here.index("leaderboard")
    steps = jobs(CI)["slow"]["steps"]
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


def steps_of(file: Path, action: str) -> list[dict[str, Any]]:
    every = [step for job in jobs(file).values() for step in job["steps"]]
    return [step for step in every if step.get("uses", "").startswith(f"actions/{action}@")]


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_pips_cache_is_kept_for_the_versions_it_holds(file: Path) -> None:
    for step in steps_of(file, "setup-python"):
        assert step["with"]["cache"] == "pip"
        for name in step["with"]["cache-dependency-path"].split():
            assert name.endswith("constraints.txt")
            assert (ROOT / name).is_file()


def test_ci_tries_each_python_that_the_package_claims() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    claimed = [
        line.rpartition(" ")[2]
        for line in project["project"]["classifiers"]
        if re.fullmatch(r"Programming Language :: Python :: 3\.\d+", line)
    ]
    assert jobs(CI)["test"]["strategy"]["matrix"]["python"] == claimed
    oldest = claimed[0]
    assert project["project"]["requires-python"] == f">={oldest}"
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert project["tool"]["ruff"]["target-version"] == "py" + oldest.replace(".", "")
    assert ".".join(map(str, OLDEST_PYTHON)) == oldest


def test_vllms_lane_runs_weekly_and_when_asked_for() -> None:
    when = yaml.safe_load(CI.read_text("utf-8"))[True]  # YAML reads the key `on` so
    [weekly] = when["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* [0-6]", weekly["cron"])
    lane = jobs(CI)["vllm"]
    assert "github.event_name == 'schedule'" in lane["if"]
    assert [made(step["run"]) for step in lane["steps"] if "run" in step] == [["vllm"]]


WITHOUT = """
import sys
from vlmbench.cli.main import main
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))  # None: importing it is an error
sys.exit(main(sys.argv[1:]))
"""


def test_the_page_is_built_with_what_its_workflow_installs(tmp_path: Path) -> None:
    runs = "\n".join(step.get("run", "") for step in jobs(PAGES)["build"]["steps"])
    [installed] = re.findall(r"^pip install -c constraints.txt (.+)$", runs, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    needed = {re.split("[<>=]", line)[0] for line in project["dependencies"]}
    absent = {name.replace("-", "_") for name in needed - set(installed.split())}
    assert "torch" in absent
    command = re.findall("^vlmbench (leaderboard build .+) --out build/leaderboard (.+)$", runs, re.MULTILINE)
    [arguments] = [[*first.split(), "--out", str(tmp_path), *rest.split()] for first, rest in command]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, ",".join(absent), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "reports").glob("*.html"))


def test_the_site_is_set_up_before_the_page_is_put_there() -> None:
    uses = [step["uses"].partition("@")[0] for step in jobs(PAGES)["publish"]["steps"]]
    assert uses == ["actions/configure-pages", "actions/deploy-pages"]


def test_the_documentation_is_published_with_the_leaderboard_beside_it() -> None:
    steps = jobs(PAGES)["build"]["steps"]
    does = [step.get("run", step.get("uses", "")) for step in steps]
    assert [made(line) for line in does].index(["docs"]) > next(
        place for place, line in enumerate(does) if "--out build/leaderboard" in line
    )
    assert steps[-1]["with"] == {"path": "build/docs"}
    assert "docs" in made((ROOT / ".ci" / "run").read_text("utf-8"))


def test_a_release_is_what_the_wheel_job_proved_and_no_password_publishes_it() -> None:
    assert yaml.safe_load(RELEASE.read_text("utf-8"))[True] == {"push": {"tags": ["v*"]}}
    build, publish = jobs(RELEASE)["build"], jobs(RELEASE)["publish"]
    said = [step.get("run", step.get("uses", "")) for step in build["steps"]]
    proved, kept = said.index("make wheel PYTHON=python"), len(said) - 1
    assert any(line.startswith("pipx run twine check") for line in said[proved:kept])
    assert said[kept].startswith("actions/upload-artifact@")
    assert publish["needs"] == "build"
    assert publish["permissions"] == {"id-token": "write"}
    assert "secrets." not in RELEASE.read_text("utf-8")


def test_before_a_commit_git_runs_what_make_check_runs() -> None:
    found = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    [hook] = [hook for repo in found["repos"] for hook in repo["hooks"]]
    assert hook["language"] == "system"
    assert hook["entry"] == "make check"
    assert hook["pass_filenames"] is False
    assert "check" in TARGETS


@pytest.mark.parametrize("file", [CI, RELEASE], ids=lambda file: file.stem)
def test_what_make_installs_on_the_hosted_service_it_may_take_from_torchs_own_index(file: Path) -> None:
    assert yaml.safe_load(file.read_text("utf-8"))["env"]["TORCH_INDEX"] == "${{ vars.TORCH_INDEX }}"


@pytest.mark.parametrize(
    ("given", "seen"),
    [({}, "unset"), ({"TORCH_INDEX": ""}, "unset"), ({"TORCH_INDEX": "file:///cpu"}, "file:///cpu")],
)
def test_every_pip_that_make_starts_sees_torchs_own_index(
    tmp_path: Path, given: dict[str, str], seen: str
) -> None:
    (tmp_path / "bin").mkdir()
    for name, does in {"python": "exit 0", "pip": "echo ${PIP_EXTRA_INDEX_URL-unset}"}.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{does}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if k not in {"PIP_EXTRA_INDEX_URL", "TORCH_INDEX"}}
    ready = f"{tmp_path}/.ready"
    said = subprocess.run(
        ["make", "-s", "-C", str(ROOT), ready, f"VENV={tmp_path}"],
        env=environment | given,
        check=True,
        capture_output=True,
        text=True,
    )
    assert set(said.stdout.split()) == {seen}
