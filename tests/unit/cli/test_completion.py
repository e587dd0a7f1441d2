"""Completion offers what the parsers take, in a real bash; zsh and fish get their scripts as they are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vlmbench.cli._shared.completing import completions
from vlmbench.cli.completion import SHELLS, script_of
from vlmbench.cli.main import main


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path))
    return tmp_path


def test_verbs_flags_choices_and_names_are_offered(home: Path) -> None:
    assert completions(["sco"]) == ["score"]
    assert "--judge-rpm" in completions(["run", "--judge"])
    assert completions(["run", "--rules", "str"]) == ["strict"]
    assert "MMBench_DEV_EN" in completions(["run", "--bench", "CCBench", "mmbench_dev"])
    assert "all-llava-table" in completions(["run", "--bench", "all"])
    assert "demo_lora" in completions(["train", "demo_"])
    assert completions(["recipes", "sh"]) == ["show"]
    assert completions(["run", "--out", "r"]) == []  # the shell completes files
    assert (home / "completion.json").is_file()


def test_a_new_suite_is_offered_at_once(home: Path) -> None:
    assert completions(["run", "--bench", "mine"]) == []
    (home / "suites.yaml").write_text("mine_of_today: [POPE]\n", "utf-8")
    assert completions(["run", "--bench", "mine"]) == ["mine_of_today"]


def test_bash_completes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    script = capsys.readouterr().out
    folder = Path(sys.executable).parent
    words = "COMP_WORDS=(vlmbench run --rul); COMP_CWORD=2; _vlmbench; echo ${COMPREPLY[@]}"
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{words}"], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "--rules\n"


@pytest.mark.parametrize("shell", SHELLS)
def test_every_script_is_one_that_its_shell_reads(shell: str, tmp_path: Path) -> None:
    assert f"vlmbench completion {shell} --words" in script_of(shell)
    script = tmp_path / "script"
    script.write_text(script_of(shell), "utf-8")
    if shutil.which(shell):  # zsh and fish are seldom there
        subprocess.run([shell, "-n", str(script)], check=True)
