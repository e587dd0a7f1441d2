"""docs/asking.md: its table is that of today's styles, in both languages, and its commands work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from style_table import PAGES, with_table

BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_table_of_styles_is_current(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text == with_table(text), f"run: python tests/support/style_table.py, then commit {page.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_on_prompts_work(page: Path, tmp_path: Path) -> None:
    section = re.split(r"^## ", page.read_text("utf-8"), flags=re.MULTILINE)
    (prompts,) = [part for part in section if "--prompt mine.yaml" in part]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = os.environ | {"PATH": path, "VLMBENCH_HOME": str(tmp_path / "home"), "HOME": str(tmp_path)}
    shown = ""
    for language, name, text in BLOCK.findall(prompts):
        if name:
            (tmp_path / name).write_text(text, "utf-8")
        elif language == "sh":
            done = subprocess.run(
                ["bash", "-ec", text], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            shown += done.stdout
    assert "prompt, style qwen2-vl" in shown
    assert "Image-1: <image>" in shown
    assert "prompt, style mine.yaml" in shown
    assert list(tmp_path.glob("runs/*/*/results.json"))
