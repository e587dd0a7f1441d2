"""Result files in the formats of others, read by their own packages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ecosystem_runs import dated, good_run, hostile_run
from finished_runs import row_run

from vlmbench.report.exports.every_eval_ever import every_eval_ever
from vlmbench.report.exports.inspect_ai import inspect_log

RUNS = {
    "run": good_run,
    "hostile": hostile_run,
    "rows": lambda: dated(row_run([40.0, 70.5], [0, 1])),
}


@pytest.mark.parametrize("which", ["run", "hostile", "rows"])
def test_every_eval_ever_accepts_what_is_written(which: str, tmp_path: Path) -> None:
    from every_eval_ever.validator import validation_core as core

    found = RUNS[which]()
    files = {str(path): text for path, text in every_eval_ever(found, model_id="me/mine").items()}
    assert len(files) == 2
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    for path in files:
        report = core.validate_file(
            tmp_path / path,
            repo_path=path,
            available_files=frozenset(files),
            read_repo_file=files.__getitem__,
            run_semantic_checks=True,
        )
        assert (report.valid, report.errors, report.warnings) == (True, [], [])


@pytest.mark.parametrize("which", ["run", "hostile"])
def test_inspect_reads_the_log(which: str, tmp_path: Path) -> None:
    from inspect_ai import log

    found = RUNS[which]()
    file = tmp_path / "log.json"
    file.write_text(json.dumps(inspect_log(found), allow_nan=False, ensure_ascii=False), "utf-8")
    read = log.read_eval_log(str(file))
    assert read.status == ("success" if found.whole else "error")
    assert len(read.samples) == read.results.total_samples == len(found.questions.samples)
    headline = found.results["headline"]
    assert read.results.scores[0].metrics[headline["name"]].value == headline["value"]
