"""`vlmbench export` in the formats of other tools, from the outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from vlmbench.cli.main import main


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "Shapes_DEV_EN"
    assert main(["run", "--model", "echo:B", "--bench", "Shapes_DEV_EN", "--out", str(folder)]) == 0
    return folder


def export(folder: Path, form: str, *more: str) -> int:
    return main(["export", str(folder), "--format", form, *more])


def test_every_format_is_written_where_it_says(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(finished, "hub") == 0
    assert export(finished, "eval-results", "--hub-dataset", "owner/set") == 0
    assert export(finished, "every-eval-ever", "--organization", "us") == 0
    assert export(finished, "inspect") == 0
    said = [line.removeprefix("wrote ") for line in capsys.readouterr().out.splitlines()]
    written = [Path(line) for line in said if line.startswith(str(finished))]
    assert len(written) == 5
    assert all(path.is_file() for path in written)
    (entry,) = yaml.safe_load((finished / ".eval_results" / "Shapes_DEV_EN.yaml").read_text("utf-8"))
    assert entry["dataset"] == {"id": "owner/set", "task_id": "default"}
    log = json.loads((finished / "inspect.json").read_text("utf-8"))
    assert len(log["samples"]) == log["results"]["total_samples"]
    assert written[2].parent.parts[-4:] == ("data", "Shapes_DEV_EN", "local", "echo_B")


def test_eval_results_ask_for_the_dataset(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(finished, "eval-results") == 2
    assert "--hub-dataset" in capsys.readouterr().err


def test_a_part_of_a_benchmark_is_not_published(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--model", "echo:B", "--bench", "Shapes_DEV_EN", "--limit", "3", "--out", str(tmp_path)]
    assert main(command) == 0
    assert export(tmp_path, "hub") == 1
    assert "partial" in capsys.readouterr().err
    assert export(tmp_path, "inspect") == 0


def test_withheld_answers_have_no_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["run", "--model", "echo:B", "--bench", "Shapes_TEST_EN", "--out", str(tmp_path)]
    assert main(command) == 0
    assert export(tmp_path, "every-eval-ever") == 1
    assert "withheld" in capsys.readouterr().err
