"""From a recipe to a leaderboard row without a person in between, and what is finished is not done twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlmbench.cli.main import main
from vlmbench.errors import UnknownName
from vlmbench.report.runs import open_run

SMALL = ["--set", "data.sources.0.samples=32", "--set", "schedule.batch=8", "--set", "saving.sample=false"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Here and in the processes that are started; and nothing outside the test's own folder."""
    import torch

    torch.set_num_threads(1)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)


def lines(file: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def times(folder: Path, *patterns: str) -> dict[Path, int]:
    files = [file for pattern in patterns for file in folder.rglob(pattern)]
    return {file: file.stat().st_mtime_ns for file in files}


def test_a_benchmark_that_does_not_exist_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    assert main(["train", "demo_lora", "--eval", "Shapes_DEV_NE", "--work-dir", "w"]) == UnknownName.exit_code
    assert main(["train", "demo_lora", "--eval-every", "2", "--work-dir", "w"]) == 2
    assert not (tmp_path / "w").exists()


def test_a_benchmark_whose_file_is_not_here_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VLMBENCH_HOME", str(tmp_path / "home"))
    assert main(["train", "demo_lora", "--eval", "CCBench", "--work-dir", "w"]) == 1
    assert "not on this machine: CCBench. Get with `vlmbench data get CCBench`." in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("decoding: beam", "no decoding named `beam`"),
        ("set_decoding: [temperature]", "`temperature` sets nothing"),
        ("thinking: maybe", "`maybe` is no setting of thinking"),
        ("min_pixels: 9, max_pixels: 4", "contradict each other"),
        ("resample: best", "`best` is none of nearest"),
        ("tiles: 0", "tiles"),
        ("set_decoding: [max_new_tokens=4], max_new_tokens: 5", "at most 5 tokens and at most 4"),
    ],
)
def test_a_way_of_asking_that_cannot_be_is_refused_before_anything_is_trained(
    keys: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chain = f"stages: [demo_pretrain, {{evaluate: [Shapes_DEV_EN], {keys}}}]\n"
    (tmp_path / "chain.yaml").write_text(chain)
    assert main(["train", "chain.yaml"]) in (1, 2)
    assert words in capsys.readouterr().err
    assert not (tmp_path / "work_dirs").exists()


def test_flags_about_asking_need_a_benchmark_and_are_checked_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "demo_lora", "--tiles", "2", "--work-dir", "w"]) == 2
    assert "`--tiles`: names no benchmark to ask. Add --eval NAME." in capsys.readouterr().err
    asked = ["train", "demo_lora", "--eval", "Shapes_DEV_EN", "--work-dir", "w"]
    assert main([*asked, "--min-pixels", "9", "--max-pixels", "4"]) == 2
    assert "contradict each other" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


@pytest.mark.slow
def test_checkpoints_are_asked_logged_and_the_best_is_chosen_by_a_test(tmp_path: Path) -> None:
    command = ["train", "demo_lora", *SMALL, "--set", "saving.every=2", "--work-dir", "w"]
    command += ["--eval", "Shapes_DEV_EN", "--eval-limit", "5", "--eval-every", "2"]
    assert main(command) == 0
    work = tmp_path / "w"
    asked = [
        (line["step"], line["benchmark"]) for line in lines(work / "metrics.jsonl") if "benchmark" in line
    ]
    # The demo model itself is the first point, and no rival for the best.
    assert asked == [(0, "Shapes_DEV_EN"), (2, "Shapes_DEV_EN"), (4, "Shapes_DEV_EN")]
    assert open_run(work / "runs" / "step-0" / "Shapes_DEV_EN").model == "demo"
    best = json.loads((work / "best.json").read_text())
    assert [one["step"] for one in best["candidates"]] == [2, 4]
    assert (Path(best["best"]["model"]) / "config.json").is_file()
    assert "| Shapes_DEV_EN | circular accuracy |" in (work / "model" / "README.md").read_text()
    assert open_run(work / "runs" / "model" / "Shapes_DEV_EN").whole

    before = times(work, "results.json", "model.safetensors", "metrics.jsonl", "best.json")
    assert main(command) == 0
    assert times(work, "results.json", "model.safetensors", "metrics.jsonl", "best.json") == before


@pytest.mark.slow
def test_a_chain_goes_from_stage_to_stage_and_skips_what_is_finished(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    chain = "stages: [demo_pretrain, demo_finetune, {evaluate: [Shapes_DEV_EN], limit: 5, "
    chain += "set_decoding: [max_new_tokens=4], resample: nearest}]\n"
    (tmp_path / "chain.yaml").write_text(chain)
    command = ["train", "chain.yaml", *SMALL]
    assert main(command) == 0
    last = tmp_path / "work_dirs" / "demo_finetune"
    run = open_run(last / "runs" / "model" / "Shapes_DEV_EN")
    assert run.results["rows"]["asked"] == run.results["rows"]["answered"] > 0
    assert run.facts["model"]["pictures"] == {"resample": "nearest"}
    # What the stage before left is the model before training.
    before = open_run(last / "runs" / "step-0" / "Shapes_DEV_EN")
    assert before.model.endswith(str(Path("demo_pretrain", "model")))
    assert before.facts["model"]["pictures"] == {"resample": "nearest"}
    assert {one["max_new_tokens"] for one in run.results["decoding"]} == {4}
    capfd.readouterr()
    assert main(command) == 0
    told = capfd.readouterr().err
    assert "demo_pretrain was finished before" in told
    assert "demo_finetune was finished before" in told
    assert "answering" not in told
    # Asked otherwise, the answers in the run folder are of another run.
    (tmp_path / "chain.yaml").write_text(chain.replace("nearest", "box"))
    assert main(command) == 1
    assert "model.pictures" in capfd.readouterr().err
    assert main([*command, "--set", "finetune.schedule.lr=1e-4"]) != 0
    assert "schedule.lr was 0.0003 and is 0.0001" in capfd.readouterr().err


@pytest.mark.slow
def test_the_demo_goes_from_nothing_to_a_leaderboard_row(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["demo", "--limit", "5", *SMALL]
    assert main(command) == 0
    out = tmp_path / "runs" / "demo"
    told = capfd.readouterr().out
    assert "Before and after" in told
    assert "by McNemar exact" in told
    board = json.loads((out / "leaderboard" / "leaderboard.json").read_text())
    named = [entry["model"] for entry in board["apart"]]  # five questions are no place on the board
    assert named == ["demo", "demo", "demo", "trained"]
    # The run before training is found among the demo's and is not asked again.
    steps = [line["step"] for line in lines(out / "trained" / "metrics.jsonl") if "benchmark" in line]
    assert steps[0] == 0
    assert not (out / "trained" / "runs" / "step-0").exists()
    weights = times(out, "model.safetensors", "results.json")
    assert main(command) == 0
    assert {file for file, when in times(out, "model.safetensors").items() if weights[file] != when} == set()
