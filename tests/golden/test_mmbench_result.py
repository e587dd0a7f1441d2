"""Our mmbench_result.xlsx against the files `xtuner mmbench` wrote, given the same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from golden_cases import MMBENCH, read_json, read_samples

from vlmbench.report.exports.mmbench import check_submission, write_mmbench_result

RUNS = {name: run for name, run in read_json(MMBENCH / "runs.json").items() if "xlsx_rows" in run}


def write(run: dict[str, Any], path: Path) -> Path:
    # xtuner strips what it decodes; so do our models before a text gets here.
    answers = [text.strip() for text in run["canned_answers"]]
    write_mmbench_result(path, read_samples(MMBENCH / run["tsv"], circular=True), answers)
    return path


@pytest.mark.parametrize("name", RUNS)
def test_columns_and_rows_equal_theirs(name: str, tmp_path: Path) -> None:
    table = pd.read_excel(write(RUNS[name], tmp_path / "ours.xlsx")).fillna("")
    assert list(table.columns) == RUNS[name]["xlsx_columns"]
    assert table.to_numpy().tolist() == RUNS[name]["xlsx_rows"]


@pytest.mark.parametrize("name", [name for name in RUNS if (MMBENCH / f"{name}.xlsx").exists()])
def test_cells_equal_those_of_their_workbook(name: str, tmp_path: Path) -> None:
    ours = openpyxl.load_workbook(write(RUNS[name], tmp_path / "ours.xlsx"))
    theirs = openpyxl.load_workbook(MMBENCH / f"{name}.xlsx")
    assert ours.sheetnames == theirs.sheetnames
    assert list(ours.active.values) == list(theirs.active.values)


@pytest.mark.parametrize("name", ["dev_en_internlm2", "ccbench_internlm2"])
def test_a_written_submission_has_nothing_to_complain_about(name: str, tmp_path: Path) -> None:
    run = RUNS[name]
    samples = read_samples(MMBENCH / run["tsv"], circular=True)
    assert check_submission(write(run, tmp_path / "o.xlsx"), samples) == []
