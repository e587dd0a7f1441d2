"""`vlmbench run` and `score` over benchmarks of every origin, from the outside, with the echo model."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from repository import ROOT

from vlmbench.cli.main import main

ROADSIGNS = ROOT / "examples" / "roadsigns"
COLUMNS = ("index", "image", "question", "A", "B", "C", "answer", "category")


@pytest.fixture(scope="module")
def picture() -> str:
    """A picture as base64, of the shipped Shapes."""
    csv.field_size_limit(sys.maxsize)
    path = Path(str(files("vlmbench.benchmarks"))) / "data" / "Shapes_DEV_EN.tsv"
    with path.open(encoding="utf-8", newline="") as file:
        return next(row["image"] for row in csv.DictReader(file, delimiter="\t"))


@pytest.fixture
def choice(tmp_path: Path, picture: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five questions; the last speaks of letters."""
    monkeypatch.chdir(tmp_path)
    rows = [
        [str(i), picture, "Which?", "cat", "dog", "both A and B" if i == 5 else "cow", "ABCAB"[i - 1], "pets"]
        for i in range(1, 6)
    ]
    return table(tmp_path / "pets.tsv", COLUMNS, rows)


def table(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    path.write_text("".join("\t".join(line) + "\n" for line in [columns, *rows]), "utf-8")
    return path


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def run(*argv: str, model: str = "echo:A") -> int:
    return main(["run", "--model", model, *argv])


def test_circular_asks_every_rotation_and_says_what_it_left_out(
    choice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--bench", str(choice), "--circular", "--out", "run") == 0
    document = read(Path("run/results.json"))
    assert document["benchmark"] == "pets_circular"
    assert document["headline"]["name"] == "circular accuracy"
    assert (document["headline"]["n"], document["rows"]["asked"]) == (4, 12)
    assert read(Path("run/run.json"))["facts"]["left out"] == 1
    assert "left out: 1 question of the file that pets_circular does not ask" in capsys.readouterr().out
    assert Path("run/mmbench_result.xlsx").is_file()


def test_a_circular_run_has_a_folder_of_its_own(choice: Path) -> None:
    run("--bench", str(choice))
    run("--bench", str(choice), "--circular")
    assert sorted(p.name for p in Path("runs/echo_A").iterdir()) == ["pets", "pets_circular"]


def test_score_scores_rotations_too(choice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--bench", str(choice), "--circular", "--out", "run")
    capsys.readouterr()
    argv = ["score", "--bench", str(choice), "--circular", "--predictions", "run/predictions.xlsx"]
    assert main([*argv, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["headline"]["n"] == 4


def test_circular_is_refused_where_there_are_no_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = table(tmp_path / "yn.tsv", ("index", "question", "answer"), [["1", "A cat?", "Yes"]])
    assert run("--bench", str(path), "--circular") == 2
    assert "only multiple choice has options to rotate" in capsys.readouterr().err


def test_one_summary_table_ends_a_run_over_several(choice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = choice.with_name("broken.tsv")
    shutil.copy(choice, broken)
    broken.write_text(broken.read_text("utf-8").replace("\tdog\t", "\t"), "utf-8")
    Path("all.yaml").write_text("- pets.tsv\n- broken.tsv\n- Shapes_TEST_EN\n", "utf-8")
    assert run("--bench", "all.yaml", "--out", "runs") == 1
    shown = capsys.readouterr()
    table_ = [re.split(r"\s{2,}", line) for line in shown.out.splitlines()[-4:]]
    assert [line[0] for line in table_] == ["benchmark", "pets", "broken", "Shapes_TEST_EN"]
    assert table_[1][2] == "40.0 %"
    assert table_[2][-1].startswith("failed: ")
    assert table_[3][2] == "withheld"
    assert shown.err.count("loaded echo") == 1


def test_two_files_of_one_name_would_share_a_run_folder(
    choice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("other").mkdir()
    shutil.copy(choice, "other/pets.tsv")
    assert run("--bench", str(choice), "other/pets.tsv") == 2
    assert "`pets`" in capsys.readouterr().err


def test_a_model_that_does_not_load_is_told_once(choice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--bench", str(choice), "Shapes_DEV_EN", model="echo:!bang=1") == 2
    assert capsys.readouterr().err.count("vlmbench:") == 1


def test_beside_a_blind_twin_a_run_says_what_the_pictures_are_worth(
    choice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("seen.jsonl").write_text(answers("ABCAB"), "utf-8")
    Path("unseen.jsonl").write_text(answers("AAAAA"), "utf-8")
    # The model's name is part of the comparison, so both are asked under one.
    shutil.copy("unseen.jsonl", "said.jsonl")
    run("--bench", str(choice), "--blind", model="echo:@said.jsonl")
    assert "gain" not in capsys.readouterr().err
    shutil.copy("seen.jsonl", "said.jsonl")
    run("--bench", str(choice), model="echo:@said.jsonl")
    assert "multi-modal gain 60.0 (100.0 seeing, 40.0 blind, strict)" in capsys.readouterr().err
    folder = next(Path("runs").glob("*/pets"))
    assert read(folder / "gain.json")["gain"] == pytest.approx(0.6)
    assert read(folder.with_name("pets-blind") / "results.json")["blind"] is True


def test_leakage_is_what_sight_unseen_beats_the_language_model(
    choice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--bench", str(choice), "--out", "llm", model="echo:C")
    run("--bench", str(choice), "--blind")
    run("--bench", str(choice), "--llm-base", "llm")
    assert "leakage 20.0 (language model alone 20.0)" in capsys.readouterr().err


def test_gain_needs_the_same_questions(choice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--bench", str(choice), "--blind", "--limit", "2")
    run("--bench", str(choice))
    assert "gain" not in capsys.readouterr().err


def answers(letters: str) -> str:
    return "".join(json.dumps({"index": i, "prediction": x}) + "\n" for i, x in enumerate(letters, start=1))


def test_published_decoding_samples_where_the_tool_did_and_says_so(
    tmp_path: Path, picture: str, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [["1", picture, "What is it?", "a cat"]]
    path = table(tmp_path / "short.tsv", ("index", "image", "question", "answer"), rows)
    how = ["--prompt", "llava-xtuner", "--decoding", "published", "--seed", "7"]
    assert run("--bench", str(path), *how, "--out", str(tmp_path / "run")) == 0
    assert "sampling at 1.0, 5 beams, at most 512 tokens, seed 7" in capsys.readouterr().err
    (decoding,) = read(tmp_path / "run/run.json")["facts"]["decoding"]
    assert decoding == {
        "max_new_tokens": 512, "do_sample": True, "temperature": 1.0, "top_p": 1.0, "num_beams": 5, "seed": 7,
    }  # fmt: skip


def test_published_decoding_is_greedy_where_the_tool_was(
    choice: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--bench", str(choice), "--prompt", "llava-xtuner", "--decoding", "published") == 0
    assert "decoding as published with llava-xtuner: greedy, at most 5 tokens" in capsys.readouterr().err
    (folder,) = Path("runs/echo_A").iterdir()
    (decoding,) = read(folder / "run.json")["facts"]["decoding"]
    assert (decoding["do_sample"], decoding["max_new_tokens"]) == (False, 5)


def test_mmmu_exports_its_submission(tmp_path: Path, picture: str, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = ("index", "id", "image", "question", "A", "B", "split")
    rows = [
        ["1", "test_Art_1", picture, "See <image 1>", "x", "y", "test"],
        ["2", "test_Art_2", picture, "What?", "", "", "test"],
    ]
    table(tmp_path / "MMMU_TEST.tsv", columns, rows)
    monkeypatch.chdir(tmp_path)
    data = ["--data-dir", ".", "--accept-local-data"]
    assert run("--bench", "MMMU_TEST", *data, "--out", "run") == 0
    assert main(["export", "run", *data]) == 0
    assert read(Path("run/echo_A_MMMU_TEST.json")) == {"test_Art_1": "A", "test_Art_2": "A"}


def test_only_mmmu_has_a_submission_by_id(choice: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--bench", str(choice), "--out", "run")
    assert main(["export", "run", "--bench", str(choice), "--format", "mmmu"]) == 2
    assert "has no submission in MMMU's format" in capsys.readouterr().err


def test_a_plugin_package_is_found_once_it_is_installed(tmp_path: Path) -> None:
    source, site = tmp_path / "source", tmp_path / "site"
    shutil.copytree(ROADSIGNS, source, ignore=shutil.ignore_patterns("build", "*.egg-info", "__pycache__"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", str(site), str(source)], check=True, capture_output=True)
    env = os.environ | {"PYTHONPATH": str(site), "VLMBENCH_HOME": str(tmp_path / "home")}

    def vlmbench(*argv: str) -> str:
        command = [sys.executable, "-m", "vlmbench", *argv]
        done = subprocess.run(command, env=env, cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    assert "roadsigns:BENCHMARKS" in vlmbench("list", "plugins")
    document = json.loads(vlmbench("run", "--model", "echo", "--bench", "RoadSigns", "--format", "json"))
    assert document["headline"]["value"] == 0.25
    assert document["metrics"][-1]["name"] == "dangerous answers"


@pytest.mark.parametrize("name", ["MMStar", "MMMU_DEV_VAL", "SEEDBench_IMG_circular", "ScienceQA_TEST"])
def test_show_prints_the_card_without_the_file(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", name]) == 0
    shown = capsys.readouterr().out
    assert name in shown
    assert "one record" in shown
