"""`vlmbench recipes` and `vlmbench train --plan` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlmbench.cli.main import main
from vlmbench.trainers.recipe.loading import read

PRETRAIN = "llava_v15_7b_pretrain"


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    assert main([*argv, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_list_finds_by_a_part_of_the_name_by_pattern_and_by_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(printed(capsys, "recipes", "list")) > 60
    assert {row["name"] for row in printed(capsys, "recipes", "list", "llava_v15_7b_p*")} == {PRETRAIN}
    assert len(printed(capsys, "recipes", "list", "llava_v15_7b", "original", "pretrain")) == 1
    by_model = printed(capsys, "recipes", "list", "Qwen1.5")
    assert by_model[0]["name"] == "llava_qwen1_5_4b_lora_projector"


def test_list_is_a_table_that_cut_understands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "list", "70b", "--format", "tsv"]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split("\t")[:2] == ["name", "stages"]
    assert "Llama-3-70B" in row


def test_list_can_plan(capsys: pytest.CaptureFixture[str]) -> None:
    pretrain, finetune, _ = printed(capsys, "recipes", "list", "llava_v15_7b_[pf]*", "--plan")
    assert (pretrain["steps"], finetune["steps"]) == (2181, 5198)
    assert (finetune["trained"], finetune["of"]) == ("6,759.4 M", "7,063 M")


def test_show_tells_every_value_with_what_was_set(capsys: pytest.CaptureFixture[str]) -> None:
    document = printed(capsys, "recipes", "show", PRETRAIN, "--set", "schedule.lr=5e-4")
    assert document["schedule"]["lr"] == 5e-4
    assert document["data"]["sources"][0]["samples"] == 558_128


def test_copy_writes_a_file_that_reads_the_same_and_never_over_another(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes", "copy", PRETRAIN, str(tmp_path / "new")]) == 0
    path = capsys.readouterr().out.strip()
    assert read(path) == read(PRETRAIN)
    assert main(["recipes", "copy", PRETRAIN, str(tmp_path / "new")]) == 2
    assert "this file exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["recipes", "show"], "needs NAME"),
        (["recipes", "copy", PRETRAIN], "needs NAME DIR"),
        (["recipes", "list", "lamma3"], "no recipe named"),
        (["recipes", "show", "llava_v15_7b_pretran"], f"Did you mean {PRETRAIN}"),
        (["train", "llava_v15_7b_pretran", "--plan"], f"Did you mean {PRETRAIN}"),
        (["train", PRETRAIN, "--plan", "--set", "schedule.l=1"], "Did you mean schedule.lr"),
        (["train", PRETRAIN, "--plan", "--deepspeed", "deepspeed_zero4"], "Did you mean zero"),
        (["train", PRETRAIN, "--plan", "--set", "parallelism.deepspeed=zero5"], "Did you mean zero"),
        (["train", PRETRAIN, "--plan", "--gpu-memory", "-3"], "not a number above 0"),
    ],
)
def test_a_mistake_on_the_command_line(
    argv: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    assert said in capsys.readouterr().err


def test_a_plan_with_things_missing_is_still_a_plan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", PRETRAIN, "--plan"]) == 0
    told = capsys.readouterr().out
    assert "2,181 optimizer steps" in told
    assert "  weights: lmsys/vicuna-7b-v1.5\n    hf download lmsys/vicuna-7b-v1.5" in told
    assert f"vlmbench data check {PRETRAIN}" in told
    assert main(["train", PRETRAIN, "--plan", "--format", "tsv"]) == 0
    tabs = "weights\tlmsys/vicuna-7b-v1.5\thf download lmsys/vicuna-7b-v1.5"
    assert tabs in capsys.readouterr().out
    assert "corrected: schedule.warmup" not in told
    short = ["--set", "data.sources=[{annotations: mine.json, images: ., samples: 2000}]"]
    assert main(["train", PRETRAIN, "--plan", *short]) == 0
    assert "note: corrected: schedule.warmup" in capsys.readouterr().out


def test_the_words_people_know(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NPROC_PER_NODE", "4")
    words = ["--deepspeed", "deepspeed_zero3", "--seed", "1024", "--work-dir", "out"]
    document = printed(capsys, "train", PRETRAIN, "--plan", *words)
    assert (document["devices"], document["memory"]["zero"], document["work_dir"]) == (4, "zero3", "out")
    assert document["counts"]["global_batch"] == 128


def test_a_chain_is_planned_stage_by_stage(capsys: pytest.CaptureFixture[str]) -> None:
    document = printed(capsys, "train", "llava_llama3_8b_one_card", "--plan", "--gpu-memory", "20")
    pretrain, finetune, evaluation = document["stages"]
    assert (pretrain["fits"], finetune["fits"]) == (True, True)
    assert evaluation["evaluate"] == ["MMBench_DEV_EN", "MMBench_DEV_CN", "CCBench"]


def test_a_plan_that_does_not_fit_prints_what_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "llava_v15_7b_finetune", "--plan", "--gpu-memory", "48"]) == 0
    told = capsys.readouterr().out
    assert "does not fit" in told
    assert "--set schedule.batch=8 --set schedule.accumulation=2" in told


def test_a_checkpoint_to_go_on_from_must_be_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", PRETRAIN, "--plan", "--resume", "nowhere"]) == 2
    assert "no such checkpoint" in capsys.readouterr().err
