"""docs/promises.md: the test of every promise is there, and runs as often as the page states."""

from __future__ import annotations

import ast
import re

import pytest
from repository import ROOT

PAGE = (ROOT / "docs" / "promises.md").read_text("utf-8")
ROWS = re.findall(r"^\| .* \| `(tests/[^`:]+)::(\w+)` \| (\w+) \|$", PAGE, re.MULTILINE)


def how_often(file: str, name: str) -> str:
    if file.startswith(("tests/vllm_lane", "tests/formats_lane")):
        return "lane"
    text = (ROOT / file).read_text("utf-8")
    tests = {node.name: node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}
    marks = " ".join(map(ast.unparse, tests[name].decorator_list))
    whole = re.search(r"^pytestmark = .*mark\.slow", text, re.MULTILINE)
    return "slow" if whole or "mark.slow" in marks else "fast"


@pytest.mark.parametrize(("file", "name", "stated"), ROWS)
def test_a_promise_is_kept_by_a_test_that_is_there_and_runs_as_stated(
    file: str, name: str, stated: str
) -> None:
    assert f"\ndef {name}(" in (ROOT / file).read_text("utf-8")
    assert how_often(file, name) == stated


def test_every_row_of_a_table_names_its_test() -> None:
    rows = re.findall(r"^\| (?!promise|---)", PAGE, re.MULTILINE)
    assert len(ROWS) == len(rows) > 30
