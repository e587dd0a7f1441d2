"""Progress on a terminal, in a notebook and in a pipe; and nowhere, within `silence`."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cli._shared.console import complain
from vlmbench.terminal.console import PlainConsole
from vlmbench.terminal.progress import Progress, TerminalBar
from vlmbench.terminal.screen import silence


def test_within_silence_nothing_is_written_and_else_no_control(capfd: pytest.CaptureFixture[str]) -> None:
    with silence(), Progress("reading", "rows", total=2) as progress:
        progress.say("a line")
        progress.update(1)
    with silence(), silence(False):
        Progress().say("still silent")
    assert capfd.readouterr().err == ""
    with silence(False):
        Progress().say("a \x1b[31mline")
        complain("a \x1b[31mline")
    assert capfd.readouterr().err == "a \\x1b[31mline\nvlmbench: a \\x1b[31mline\n"


def test_a_bar_on_a_terminal_ends_with_its_last_figures() -> None:
    screen = PlainConsole(record=True, width=120, force_terminal=True, file=io.StringIO())
    bar = TerminalBar(screen)
    bar.draw("reading", "1/2 rows", 1, 2, ended=False)
    bar.say("[red]a line[/red]")
    bar.draw("reading", "2/2 rows, in 1 s", 2, 2, ended=True)
    bar.leave()
    text = screen.export_text()
    assert text.index("[red]a line[/red]") < text.index("2/2 rows, in 1 s")


CELLS = (
    """
from vlmbench.terminal.progress import Progress
from vlmbench.terminal.screen import silence
with silence():
    Progress("silent", "rows").update(1)
import tqdm.auto
""",
    """
from vlmbench.terminal.progress import Progress
with Progress("reading <b>", "rows", total=1000) as progress:
    for row in range(1000):
        progress.update(row + 1, "2 broken")
progress = Progress("searching", "rows")
progress.update(3)
progress.end()
""",
    """
progress = Progress("stopped", "rows", total=10)
progress.update(4)
progress._bar.every = 0
progress.update(5)
raise KeyError("row 5")
""",
    """
import contextlib, io
with contextlib.redirect_stderr(io.StringIO()) as pipe:
    with Progress("piped", "rows", total=2) as progress:
        progress.update(2)
print(pipe.getvalue().splitlines()[0])
""",
    """
import vlmbench
run = vlmbench.evaluate("echo:B", "Shapes_DEV_EN", limit=3)
vlmbench.evaluate("echo:B", "Shapes_DEV_EN", limit=3, out="again", progress=False)
vlmbench.score(run.samples()[["index", "answer"]].rename(columns={"answer": "prediction"}),
               "Shapes_DEV_EN", allow_missing=True, progress=False);
""",
)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> list[list[Any]]:
    """The outputs of each cell, as the file keeps them."""
    import nbformat
    from nbclient import NotebookClient

    folder = tmp_path_factory.mktemp("notebook")
    notebook: Any = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "OMP_NUM_THREADS", "1")
        where = {"metadata": {"path": str(folder)}}
        NotebookClient(notebook, timeout=300, allow_errors=True, resources=where).execute()
    nbformat.validate(notebook)
    nbformat.write(notebook, folder / "saved.ipynb")
    return [cell.outputs for cell in nbformat.read(Path(folder / "saved.ipynb"), as_version=4).cells]


def test_a_bar_in_a_notebook_is_one_output_that_ends_full(cells: list[list[Any]]) -> None:
    known, unknown = cells[1]
    assert known["output_type"] == unknown["output_type"] == "display_data"
    assert known["data"]["text/plain"].startswith("reading <b>: 1,000/1,000 rows, ")
    assert known["data"]["text/plain"].endswith(", 2 broken")
    assert 'value="1.0000"' in known["data"]["text/html"]
    assert "reading &lt;b&gt;" in known["data"]["text/html"]
    assert unknown["data"]["text/plain"].startswith("searching: 3 rows, ")


def test_a_bar_of_a_cell_that_fails_stays_where_it_was(cells: list[list[Any]]) -> None:
    bar, error = cells[2]
    assert 'value="0.5000"' in bar["data"]["text/html"]
    assert error["ename"] == "KeyError"


def test_in_a_notebook_silence_and_a_redirected_stderr_draw_nothing(cells: list[list[Any]]) -> None:
    assert cells[0] == []
    (output,) = cells[3]
    assert output["text"] == "piped: 2 rows\n"


def test_evaluate_draws_one_bar_in_a_notebook_and_none_without_progress(cells: list[list[Any]]) -> None:
    bars = [output["data"]["text/plain"] for output in cells[4] if output["output_type"] == "display_data"]
    (bar,) = bars
    assert bar.startswith("answering: ")
    assert " left" not in bar
    assert {output["output_type"] for output in cells[4]} <= {"display_data", "stream"}
    assert {output["name"] for output in cells[4] if output["output_type"] == "stream"} <= {"stderr"}
