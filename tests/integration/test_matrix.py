"""`vlmbench run` with several models and with a matrix: one summary, gates, files for CI, resuming."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from vlmbench.cli.main import main

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
EN, TEST = "Shapes_DEV_EN", "Shapes_DEV_CN"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return tmp_path


def run(*more: str) -> int:
    return main(["run", *more])


def matrix(**options: Any) -> int:
    given = {
        "model": ["echo:A", "echo:B"],
        "bench": [EN],
        "limit": 8,
        "junit": "out.xml",
        "markdown": "out.md",
    }
    Path("matrix.yaml").write_text(yaml.safe_dump(given | options, sort_keys=False), "utf-8")
    return run("--config", "matrix.yaml")


def summary(folder: str = "runs") -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(Path(folder, "summary.json").read_text("utf-8"))["cells"]
    return cells


def cases() -> dict[tuple[str, str], ET.Element]:
    """The test cases of out.xml by name and benchmark; the counts of the suite are theirs."""
    (suite,) = ET.parse("out.xml").getroot()
    found = list(suite.iter("testcase"))
    assert int(suite.attrib["tests"]) == len(found)
    for tag in ("failure", "error"):
        assert int(suite.attrib[f"{tag}s"]) == sum(case.find(tag) is not None for case in found)
    return {(c.attrib["name"], c.attrib["classname"].partition(".")[2]): c for c in found}


def test_several_models_end_in_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "echo:A", "echo:B", "--bench", EN, TEST, "--limit", "8") == 0
    shown = capsys.readouterr()
    assert shown.err.count("loaded echo") == 2
    assert f"4 of 4, echo:B, {TEST}: " in shown.err
    rows = [line.split() for line in shown.out.splitlines() if line.startswith("echo:")]
    assert [row[0] for row in rows] == ["echo:A", "echo:B"]
    assert "partial: 4 of 4 runs" in shown.out
    assert sorted(p.name for p in Path("runs").iterdir()) == ["echo_A", "echo_B", "summary.json"]
    assert [(cell["name"], cell["benchmark"]) for cell in summary()] == [
        (name, bench) for name in ("echo:A", "echo:B") for bench in (EN, TEST)
    ]


def test_the_best_of_each_benchmark_is_marked() -> None:
    assert run("--model", "demo", "echo:B", "--bench", EN, "--limit", "4", "--markdown", "out.md") == 0
    assert [cell["best"] for cell in summary()] == [True, False]
    assert "| demo | **100\\.0 \\(" in Path("out.md").read_text("utf-8")


def test_a_model_that_does_not_load_leaves_the_others_their_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        run("--model", "nowhere/at/all", "echo:B", "--bench", EN, TEST, "--limit", "2", "--junit", "out.xml")
        == 1
    )
    shown = capsys.readouterr()
    assert shown.err.count("there is no such file or folder") == 1
    assert "failed ?" in shown.out
    assert "all, 2 benchmarks: failed: " in shown.out
    assert [cell["value"] is None for cell in summary()] == [True, True, False, False]
    errors = [case.find("error") for (name, _), case in cases().items() if name != "echo:B"]
    words = "there is no such file or folder"
    assert [error is not None and words in error.attrib["message"] for error in errors] == [True, True]


def test_a_finished_pair_loads_nothing_and_a_new_one_loads_its_model_once(
    capsys: pytest.CaptureFixture[str],
) -> None:
    models = ["--model", "demo", "echo:B", "--bench"]
    assert run(*models, EN, "--limit", "1") == 0
    capsys.readouterr()
    assert run(*models, EN, TEST, "--limit", "1") == 0
    first = capsys.readouterr().err
    assert first.count("loaded demo") == 1
    assert f"demo, {EN}: already finished" in first
    assert run(*models, EN, TEST, "--limit", "1") == 0
    second = capsys.readouterr().err
    assert "loaded demo" not in second
    assert second.count("already finished") == 4


def test_what_every_model_lacks_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    Path("MME.tsv").write_text(
        "index\tquestion\tanswer\tcategory\timage_path\timage\n"
        + "".join(f"{n}\tUp?\t{answer}\tcolor\t1.png\t{PIXEL}\n" for n, answer in enumerate(("Yes", "No"))),
        "utf-8",
    )
    Path("HallusionBench.tsv").write_text(f"index\tquestion\tanswer\timage\n0\tUp?\tYes\t{PIXEL}\n", "utf-8")
    bench = ["MME", "HallusionBench"]
    assert matrix(bench=bench, limit=2, **{"data-dir": ".", "accept-local-data": True}) == 1
    shown = capsys.readouterr().out
    assert shown.count("no value for perception") == 1
    assert shown.count("six parts") == 1
    assert "HallusionBench, 2 models: failed: " in shown
    assert (
        matrix(
            bench=bench[:1],
            limit=2,
            gates={"MME": {"min": 1}},
            **{"data-dir": ".", "accept-local-data": True},
        )
        == 1
    )
    assert capsys.readouterr().out.endswith("at least 1: no figure: no value for perception\n")
    Path("MME.tsv").write_text(Path("MME.tsv").read_text("utf-8").replace("Up?", "Down?"), "utf-8")
    assert matrix(bench=["MME"], limit=2, **{"data-dir": ".", "accept-local-data": True}) == 1
    assert "MME, 2 models: failed: this run folder holds answers" in capsys.readouterr().out


def test_rows_without_an_answer_make_it_incomplete(capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix(model=["echo:B,!raise=6", "echo:B"]) == 4
    assert " ?" in capsys.readouterr().out
    failure = cases()["echo:B,!raise=6", EN].find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "incomplete"


def test_settings_have_runs_of_their_own_and_hold_for_themselves_alone() -> None:
    settings = {"short": {"max-new-tokens": 4}, "blind": {"blind": True, "bench": [TEST]}, "plain": None}
    assert matrix(settings=settings, out="results") == 0
    assert [(cell["name"], cell["benchmark"]) for cell in summary("results")][:3] == [
        ("echo:A/short", EN),
        ("echo:A/blind", TEST),
        ("echo:A/plain", EN),
    ]
    spec = {
        name: json.loads(Path("results/echo_A", name, EN, "run.json").read_text("utf-8"))
        for name in ("short", "plain")
    }
    assert [spec[name]["facts"]["decoding"][0]["max_new_tokens"] for name in spec] == [4, 2048]
    assert spec["short"]["spec"]["name"] == "echo:A/short"
    assert Path("results/echo_A/blind", f"{TEST}-blind", "results.json").is_file()


def test_a_least_figure_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix(gates={EN: [{"min": 1, "model": "echo:A"}, {"min": 0}]}) == 3
    assert "gate failed: echo:A" in capsys.readouterr().err
    failure = cases()["echo:A", EN].find("failure")
    assert failure is not None
    assert (failure.attrib["type"], failure.attrib["message"]) == ("gate", "at least 1: 0.0 %")
    assert [gate["state"] for gate in summary()[0]["gates"]] == ["failed", "passed"]
    assert "**failed**" in Path("out.md").read_text("utf-8")


def test_a_baseline_is_tested_as_compare_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert matrix(model=["demo"], out="base", limit=16, prompt="vlmevalkit") == 0
    assert matrix(model=["echo:B"], out="new", limit=16, gates={"*": {"against": "base"}}) == 3
    shown = capsys.readouterr().err
    assert "gate failed: echo:B, Shapes_DEV_EN, not significantly worse than base: " in shown
    assert "by McNemar exact" in shown
    assert (
        matrix(
            model=["demo"],
            out="again",
            limit=16,
            prompt="vlmevalkit",
            gates={"*": {"against": "base", "by": 0}},
        )
        == 0
    )


def test_without_a_baseline_a_gate_is_an_error_and_not_passed() -> None:
    assert matrix(gates={EN: {"against": "gone"}}) == 1
    error = cases()["echo:B", EN].find("error")
    assert error is not None
    assert "there is no such folder" in error.attrib["message"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gates": {"Shapes_DEV": {"min": 1}}}, "Did you mean Shapes_DEV_EN"),
        ({"gates": {EN: {"mn": 1}}}, "Did you mean min"),
        ({"gates": {EN: {}}}, "asks for nothing"),
        ({"gates": {EN: {"min": "high"}}}, "not a number from 0"),
        ({"gates": {EN: {"min": 1, "by": "test"}}}, "needs a run to compare with"),
        ({"gates": [1]}, "must be a mapping"),
        ({"settings": {}}, "names no setting"),
        ({"settings": {"a/b": {}}}, "cannot name a setting"),
        ({"settings": {"a": {"out": "x"}}}, "holds for all settings"),
        ({"settings": {"a": {"promt": "x"}}}, "Did you mean prompt"),
        ({"settings": {"a": {"samples": 4}}}, "one answer to a question"),
        ({"settings": {"a": ["x"]}}, "must be a mapping"),
        ({"model": ["echo", "echo"]}, "`echo` is named twice"),
        ({"name": "x"}, "one name cannot be that of several models"),
    ],
)
def test_a_mistake_in_the_file_is_found_before_anything_runs(
    options: dict[str, Any], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert matrix(**options) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert "loaded" not in shown


def test_the_parts_of_a_matrix_cannot_stand_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--model", "echo", "--bench", EN, "--gates", "x") == 2
    assert "a part of --config FILE" in capsys.readouterr().err


def test_the_page_of_a_job_gets_the_summary(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("step.md").write_text("before\n", "utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "step.md")
    assert matrix() == 0
    assert Path("step.md").read_text("utf-8") == "before\n" + Path("out.md").read_text("utf-8")


def test_a_full_stdout_costs_no_file() -> None:
    words = ["--model", "echo:A", "echo:B", "--bench", EN, "--limit", "2", "--junit", "out.xml"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "vlmbench", "run", *words], stdout=full, check=False)
    assert done.returncode == 1
    assert len(cases()) == len(summary()) == 2


def test_a_failed_gate_is_3_although_nobody_reads_the_table() -> None:
    gated = {"model": ["echo:B"], "bench": [EN], "limit": 2, "gates": {EN: {"min": 99}}}
    Path("gate.yaml").write_text(yaml.safe_dump(gated), "utf-8")
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, "-m", "vlmbench", "run", "--config", "gate.yaml"]
    done = subprocess.run(command, stdout=write_end, check=False)
    os.close(write_end)
    assert done.returncode == 3


def test_hostile_names_stay_text() -> None:
    evil = 'x"<b>|`$&\u202e]](y)\x1b[31m'
    assert matrix(model=[f"echo:{evil}", "echo:B"]) == 0
    (case,) = [case for name, case in cases().items() if name[0] != "echo:B"]
    assert case.attrib["name"].startswith('echo:x"<b>|`$&')
    page, xml = (Path(name).read_text("utf-8") for name in ("out.md", "out.xml"))
    assert not {"\x1b", "\u202e"} & set(page + xml)
    (row,) = [line for line in page.splitlines() if "&lt;b&gt;" in line and line.startswith("|")]
    assert row.replace("\\|", "").count("|") == 3
