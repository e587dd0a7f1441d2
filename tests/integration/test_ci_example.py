"""docs/ci.md and examples/ci: their commands run, and the example fails where a figure falls."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from doc_pages import blocks
from repository import ROOT

from vlmbench.cli.main import main

EXAMPLE, PAGE = ROOT / "examples" / "ci", ROOT / "docs" / "ci.md"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "step.md")
    # Finished runs of other tests are at other paths; answers of theirs would only hide a slow example.
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))


def ran(line: str) -> int:
    return main(shlex.split(line)[1:])


def test_the_example_evaluates_holds_its_gates_and_fails_where_a_figure_falls() -> None:
    workflow: dict[str, Any] = yaml.safe_load((EXAMPLE / "evaluate.yml").read_text("utf-8"))
    steps = workflow["jobs"]["evaluate"]["steps"]
    # A few questions stand for all.
    lines = [f"{step['run']} --limit 12" for step in steps if step.get("run", "").startswith("vlmbench ")]
    shutil.copy(EXAMPLE / "matrix.yaml", "matrix.yaml")
    assert [ran(line) for line in lines] == [0, 0]
    cells = json.loads(Path("results/summary.json").read_text("utf-8"))["cells"]
    assert {cell["setting"] for cell in cells} == {"plain", "eager"}
    assert all(gate["state"] == "passed" for cell in cells for gate in cell["gates"])
    assert len(list(ET.parse("junit.xml").getroot().iter("testcase"))) == 4
    assert Path("step.md").read_text("utf-8").startswith("## vlmbench run")
    # Another model in its place, asked in the same words.
    assert ran(f"{lines[1]} --model echo:B --prompt llava --out worse --settings x") == 2
    given = yaml.safe_load(Path("matrix.yaml").read_text("utf-8")) | {
        "settings": {"plain": {"prompt": "llava"}}
    }
    Path("matrix.yaml").write_text(yaml.safe_dump(given), "utf-8")
    assert ran(f"{lines[1]} --model echo:B --out worse") == 3
    worse = json.loads(Path("worse/summary.json").read_text("utf-8"))["cells"]
    assert {gate["state"] for cell in worse for gate in cell["gates"]} == {"failed"}


def test_the_commands_of_the_page_run_and_are_those_of_the_chinese_page() -> None:
    assert [*blocks(PAGE)] == [*blocks(PAGE.with_suffix(".zh-CN.md"))]
    for language, name, text in blocks(PAGE):
        if name:
            Path(name).write_text(text, "utf-8")
        else:
            assert language == "sh"
            assert [ran(line) for line in text.splitlines()] == [0]
    assert "| demo/plain |" in Path("summary.md").read_text("utf-8")
    assert Path("results/demo/warm/Shapes_DEV_CN/results.json").is_file()
    assert Path("runs/summary.json").is_file()
