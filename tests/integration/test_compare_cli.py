"""`vlmbench compare` from the outside, over runs of the echo model."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from vlmbench.cli.main import main

OPTIONS = ["--bench", "Shapes_DEV_EN", "--limit", "12"]


def run(model: str, out: Path, *more: str) -> Path:
    assert main(["run", "--model", model, *OPTIONS, "--out", str(out), *more]) == 0
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    run("echo:B", root / "b" / "Shapes_DEV_EN")
    run("echo:A", root / "a" / "Shapes_DEV_EN")
    run("demo", root / "demo" / "Shapes_DEV_EN", "--prompt", "vlmevalkit")
    return root


def compare(*arguments: object) -> int:
    return main(["compare", *map(str, arguments)])


def test_two_that_cannot_be_told_apart(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(runs / "a", runs / "b", "--fail-if", "regression") == 0
    shown = capsys.readouterr().out
    assert "A and B cannot be told apart on these 12 questions." in shown
    assert "by McNemar exact" in shown
    assert "smallest difference this set detects with 80 % power" in shown


def test_a_regression_ends_with_3_and_is_written_down(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = ["--junit", tmp_path / "new" / "j.xml", "--markdown", tmp_path / "new" / "m.md"]
    assert compare(runs / "demo", runs / "b", "--fail-if", "regression", *files) == 3
    captured = capsys.readouterr()
    assert "B is worse than A." in captured.out
    place = f"{runs / 'b' / 'Shapes_DEV_EN' / 'report-compared.html'}#row-"
    command = f"vlmbench report {runs / 'demo' / 'Shapes_DEV_EN'} {runs / 'b' / 'Shapes_DEV_EN'}"
    assert re.search(rf"with pictures: {re.escape(place)}\d+, which `{command}` writes", captured.out)
    assert "regression on Shapes_DEV_EN" in captured.err
    assert ET.parse(tmp_path / "new" / "j.xml").find("testsuite/testcase/failure") is not None
    page = (tmp_path / "new" / "m.md").read_text("utf-8")
    assert "**worse**" in page
    assert summary.read_text("utf-8") == f"before\n{page}"


def test_the_gate_is_off_unless_asked_for(runs: Path) -> None:
    assert compare(runs / "demo", runs / "b") == 0
    assert compare(runs / "b", runs / "demo", "--gate", "0") == 0
    assert compare(runs / "demo", runs / "b", "--gate", "99") == 3  # significant, whatever the gate


def test_json_has_everything(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert compare(runs / "demo", runs / "b", "--format", "json") == 0
    document = json.loads(capsys.readouterr().out)
    (only,) = document["comparisons"]
    assert only["difference"]["n"] == 12
    assert {"category", "l2-category"} == {part["level"] for part in only["categories"]}
    assert all(len(flip["pictures"]) == 1 and flip["question"] for flip in only["worse"])


def test_the_page_with_the_pictures_is_written_in_the_same_go(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, text = tmp_path / "pages" / "b.html", tmp_path / "m.md"
    assert compare(runs / "demo", runs / "b", "--html", page, "--markdown", text) == 0
    lost = re.search(rf"with pictures: {re.escape(str(page))}#row-(\d+)\n", capsys.readouterr().out)
    assert lost is not None
    assert f"[{lost[1]}](<pages/b.html#row-{lost[1]}>)" in text.read_text("utf-8")
    written = page.read_text("utf-8")
    assert 'id="picture-0"' in written
    assert f'"id":"{lost[1]}"' in written.replace(": ", ":")
    assert compare(runs / "demo", runs / "a", runs / "b", "--html", tmp_path / "two") == 0
    names = sorted(page.name for page in (tmp_path / "two").iterdir())
    assert names == ["a-Shapes_DEV_EN.html", "b-Shapes_DEV_EN.html"]


def test_three_runs_make_a_matrix(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare(runs / "demo", runs / "a", runs / "b") == 0
    assert "column less row" in capsys.readouterr().out


def test_other_prompts_and_parts_are_refused(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = run("echo:B", tmp_path / "xtuner", "--prompt", "xtuner")
    assert compare(runs / "b", other) == 1
    refused = capsys.readouterr().err
    assert "the prompts differ: style vlmevalkit" in refused
    assert "`vlmbench run --prompt vlmevalkit --out DIR` asks the second model as the first was" in refused
    part = run("echo:A", tmp_path / "part", "--limit", "5")
    assert compare(runs / "b", part) == 1
    assert "--common" in capsys.readouterr().err
    assert compare(runs / "b", part, "--common") == 0
    assert "only rows with a score in both runs" in capsys.readouterr().out


def test_a_refusal_is_written_for_ci_too(runs: Path, tmp_path: Path) -> None:
    """Whether the two cannot be compared, or one of them was never finished."""
    other = run("echo:B", tmp_path / "xtuner", "--prompt", "xtuner")
    unfinished = shutil.copytree(runs / "b" / "Shapes_DEV_EN", tmp_path / "unfinished")
    (unfinished / "results.json").unlink()
    junit, page = tmp_path / "j.xml", tmp_path / "m.md"
    for candidate, reason in ((other, "the prompts differ"), (unfinished, "not finished")):
        assert compare(runs / "b", candidate, "--junit", junit, "--markdown", page) == 1
        error = ET.parse(junit).find("testsuite/testcase/error")
        assert error is not None
        assert reason in error.get("message", "")
        assert "not compared: " in page.read_text("utf-8")


def test_one_candidate_that_is_refused_does_not_hide_the_regression_of_another(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = run("echo:B", tmp_path / "xtuner", "--prompt", "xtuner")
    capsys.readouterr()
    assert compare(runs / "demo", other, runs / "b", "--fail-if", "regression") == 3
    error = capsys.readouterr().err
    assert error.count("the prompts differ") == 1
    assert "regression on Shapes_DEV_EN" in error


def test_a_models_folder_is_compared_benchmark_by_benchmark(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sides = []
    for name in ("a", "b"):
        side = shutil.copytree(runs / name, tmp_path / name)
        for bench, style in (("Shapes_TEST_EN", "vlmevalkit"), ("Shapes_DEV_CN", "xtuner")):
            options = ["--limit", "4", "--prompt", style if name == "a" else "vlmevalkit"]
            command = ["run", "--model", f"echo:{name.upper()}", "--bench", bench, "--out", str(side / bench)]
            assert main([*command, *options]) == 0
        sides.append(side)
    run("echo:B", sides[1] / "Shapes_DEV_EN-blind", "--blind")
    capsys.readouterr()
    junit = tmp_path / "j.xml"
    assert compare(*sides, "--junit", junit) == 1
    captured = capsys.readouterr()
    assert "Shapes_DEV_EN" in captured.out
    assert "Shapes_DEV_CN: " in captured.err
    assert "the prompts differ" in captured.err
    assert "answers are withheld" in captured.err
    assert "not every folder has them: Shapes_DEV_EN (blind)" in captured.err
    suite = ET.parse(junit).find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("errors")) == ("3", "2")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["a"], 2, "at least two runs"),
        (["a", "nowhere"], 2, "no such folder"),
        (["a", "."], 2, "two runs here|no benchmark is in all|neither a run.json"),
        (["a", "b", "--gate", "-1"], 2, "--gate: `-1` is not a number from 0"),
        (["a", "b", "--gate", "nan"], 2, "--gate: `nan` is not a number from 0"),
        (["a", "b", "--flips", "-1"], 2, "--flips: `-1` is not a whole number from 0"),
    ],
)
def test_mistakes_are_told(
    runs: Path, arguments: list[str], code: int, said: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(runs)
    assert main(["compare", *arguments]) == code
    error = capsys.readouterr().err
    assert any(part in error for part in said.split("|"))


def picture(colour: str) -> str:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of mine.tsv, four rows a picture, and of the runs A and B that were started there."""
    monkeypatch.chdir(tmp_path)
    pictures = [picture(colour) for colour in ("red", "green", "blue", "white", "black", "grey")]
    rows = [f"{i}\tWhich?\tx\ty\t{'AB'[i % 2]}\t{pictures[i // 4]}" for i in range(24)]
    Path("mine.tsv").write_text("\n".join(["index\tquestion\tA\tB\tanswer\timage", *rows]) + "\n")
    for letter in "AB":
        command = ["run", "--model", f"echo:{letter}", "--bench", "mine.tsv", "--out", letter]
        monkeypatch.setattr("sys.argv", ["vlmbench", *command])  # recorded in run.json
        assert main(command) == 0
    return tmp_path


@pytest.mark.slow
def test_rows_of_a_bare_file_are_clustered_by_picture_wherever_they_are_compared(
    bare: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    capsys.readouterr()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert compare(bare / "A", bare / "B") == 0
    here = capsys.readouterr().out
    assert "24 rows in 6 clusters" in here
    assert "cannot be told apart" in here
    (bare / "mine.tsv").unlink()
    assert compare(bare / "A", bare / "B") == 0
    assert capsys.readouterr().out == here
    assert main(["report", str(bare / "A"), str(bare / "B")]) == 0
    said = capsys.readouterr().err
    assert "the page shows no pictures: mine.tsv, which" in said
    assert "--data-dir DIR" in said
    for side in "AB":  # as runs of earlier versions are
        (bare / side / "pictures.jsonl").unlink()
    assert compare(bare / "A", bare / "B") == 0
    # The width of the console breaks the line.
    shown = " ".join(capsys.readouterr().out.split())
    assert "rows that share a picture are treated as independent: mine.tsv, which" in shown
    assert "--data-dir DIR" in shown
