"""Every Python block of docs/python.md, run from top to bottom in an empty folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [match[1] for match in BLOCK.finditer(PAGE)]
MINUTES = ("vlmbench.train(", "VlmbenchCallback(")
"""What takes longer than the fast suite may."""


def run_blocks(blocks: list[str]) -> dict[str, Any]:
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    return names


def test_every_block_that_takes_seconds_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_blocks([block for block in BLOCKS if not any(word in block for word in MINUTES)])
    assert names["run"].folder == Path("runs/demo/Shapes_DEV_EN")
    assert names["page"].is_file()
    assert names["loaded"].headline == names["run"].headline
    assert names["found"].verdict in ("better", "worse", "cannot be told apart")
    assert names["board"].page == Path("site/index.html")


# As on any machine without an accelerator.
@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true but no accelerator:UserWarning")
@pytest.mark.slow
def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = run_blocks(BLOCKS)
    assert list(names["curve"]) == [2, 4]
    assert names["at_the_end"].partial
    assert names["trained"].model == Path("trained/model")
    assert names["tuned"].complete
    assert (names["official"] / "config.json").is_file()


def test_the_page_shows_every_function() -> None:
    import vlmbench

    functions = {name for name in vlmbench.__all__ if name[0].islower()} - {"__version__"}
    assert {name for name in functions if f"vlmbench.{name}(" not in PAGE} == set()
