"""The commands of docs/add-a-benchmark.md, run in an empty folder with the files it shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from repository import ROOT

DOC = ROOT / "docs" / "add-a-benchmark.md"
BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> Iterator[tuple[str, str, str]]:
    """Language, file name and text of every fenced block."""
    return (m.groups(default="") for m in BLOCK.finditer(DOC.read_text("utf-8")))  # type: ignore[return-value]


def test_every_command_of_the_page_works_with_the_files_it_shows(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "VLMBENCH_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    said = ""
    for language, name, text in blocks():
        if name:
            (tmp_path / name).write_text(text, "utf-8")
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-ec", text], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            said += done.stdout + done.stderr
    assert "left out: 2 questions" in said
    assert "warm answers" in said
    assert "accuracy  100.0 %" in said  # the answers of section 1
    assert (tmp_path / "runs/all/signs/results.json").is_file()


def test_the_page_shows_a_command_for_every_door() -> None:
    commands = "".join(text for language, name, text in blocks() if language == "sh" and not name)
    assert all(word in commands for word in ("show", "run", "score", "--plugin", "mine.yaml", "--circular"))
