"""examples/from_python.ipynb: kept as executed, and every cell still runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from repository import ROOT

NOTEBOOK = ROOT / "examples" / "from_python.ipynb"


def read() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", ())]


def shown(notebook: Any) -> str:
    return str([output.get("data", {}).get("text/html", "") for output in outputs(notebook)])


def test_the_notebook_is_kept_as_executed() -> None:
    notebook = read()
    nbformat.validate(notebook)
    assert all(cell["execution_count"] for cell in notebook.cells if cell["cell_type"] == "code")
    assert not [output for output in outputs(notebook) if output["output_type"] == "error"]
    assert "circular accuracy" in shown(notebook)
    assert "by McNemar exact" in shown(notebook)


@pytest.mark.slow
def test_every_cell_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    monkeypatch.setitem(os.environ, "OMP_NUM_THREADS", "1")
    notebook = read()
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=where).execute()
    assert "is better than" in shown(notebook)
    assert (tmp_path / "site" / "index.html").is_file()
